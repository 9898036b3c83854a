package commit

import (
	"context"
	"time"

	"github.com/stacksync/stacksync-go"
)

// A batch of commits reads rows whose keys are known from its proposals alone, so one Load brings
// them. Only few commits need a second Load: see loadMore.

// lockParams locks the workspaces with their owners, and the acting users. So a revocation of a
// user's device comes either before the batch or after it.
func lockParams(batch []*job, wait time.Duration) stacksync.LockParams {
	p := stacksync.LockParams{Wait: wait}
	spaces, users := make(map[stacksync.WorkspaceID]bool), make(map[stacksync.UserID]bool)
	for _, j := range batch {
		if !spaces[j.Workspace] {
			spaces[j.Workspace] = true
			p.Workspaces = append(p.Workspaces, j.Workspace)
		}
		if !users[j.Actor.User] {
			users[j.Actor.User] = true
			p.Users = append(p.Users, j.Actor.User)
		}
	}
	return p
}

func loadParams(batch []*job) stacksync.LoadParams {
	var p stacksync.LoadParams
	access, items := make(map[stacksync.AccessKey]bool), make(map[stacksync.ItemKey]bool)
	item := func(w stacksync.WorkspaceID, id stacksync.ItemID) {
		if key := (stacksync.ItemKey{Workspace: w, Item: id}); !id.IsZero() && !items[key] {
			items[key] = true
			p.Items = append(p.Items, key)
		}
	}
	for _, j := range batch {
		w := j.Workspace
		if key := stacksync.NewAccessKey(j.Actor, w); !access[key] {
			access[key] = true
			p.Access = append(p.Access, key)
		}
		for i, q := range j.Valid() {
			item(w, q.Item)
			if q.Delete {
				continue
			}
			item(w, q.Parent)
			p.Names = append(p.Names, stacksync.NameKey{Workspace: w, Parent: q.Parent, Key: j.NameKey(i)})
			if q.Kind == stacksync.Folder && !q.Parent.IsZero() {
				p.Ancestors = append(p.Ancestors, stacksync.ItemKey{Workspace: w, Item: q.Parent})
			}
		}
	}
	return p
}

// loadMore reads the rows that only few commits need: the old versions that are proposed again, as
// by a client that has lost an answer, and the items below folders that are deleted. It does so
// only for commits that are permitted, so that nobody else can cause these reads.
func loadMore(ctx context.Context, tx stacksync.Tx, batch []*job, rows *stacksync.LoadResult) error {
	current := make(map[stacksync.ItemKey]*stacksync.ItemRow, len(rows.Items))
	for i := range rows.Items {
		row := &rows.Items[i]
		current[stacksync.ItemKey{Workspace: row.Workspace, Item: row.ID}] = row
	}
	var p stacksync.LoadParams
	deletes := make(map[stacksync.WorkspaceID]bool) // the workspaces where a proposal may delete a folder
	each := func(f func(key stacksync.ItemKey, q *stacksync.Proposal, row *stacksync.ItemRow)) {
		for _, j := range batch {
			if j.Err != nil {
				continue
			}
			for _, q := range j.Valid() {
				key := stacksync.ItemKey{Workspace: j.Workspace, Item: q.Item}
				f(key, q, current[key])
			}
		}
	}
	each(func(key stacksync.ItemKey, q *stacksync.Proposal, row *stacksync.ItemRow) {
		switch {
		case row != nil && q.Version < row.Version:
			p.Versions = append(p.Versions, stacksync.VersionKey{Workspace: key.Workspace, Item: key.Item, Version: q.Version})
		case q.Delete && row == nil: // the item may be made by an earlier proposal
			deletes[key.Workspace] = true
		case q.Delete && row.Kind == stacksync.Folder && q.Version > row.Version:
			deletes[key.Workspace] = true
			p.Subtrees = append(p.Subtrees, key)
		}
	})
	each(func(key stacksync.ItemKey, q *stacksync.Proposal, row *stacksync.ItemRow) {
		// The folder may move into a folder that a later proposal deletes.
		if deletes[key.Workspace] && row != nil && !q.Delete && row.Kind == stacksync.Folder && row.Parent != q.Parent {
			p.Subtrees = append(p.Subtrees, key)
		}
	})
	if len(p.Versions) == 0 && len(p.Subtrees) == 0 {
		return nil
	}
	more, err := tx.Load(ctx, p)
	rows.Versions = more.Versions
	rows.Items = append(rows.Items, more.Items...)
	return err
}

// makeLedgers arranges the loaded rows for the rules. It copies the workspaces and owners, which
// the rules change, since loaded rows may be shared.
func makeLedgers(rows *stacksync.LoadResult) map[stacksync.WorkspaceID]*stacksync.Ledger {
	owners := make(map[stacksync.UserID]*stacksync.User, len(rows.Owners))
	for i := range rows.Owners {
		owner := rows.Owners[i]
		owners[owner.ID] = &owner
	}
	ledgers := make(map[stacksync.WorkspaceID]*stacksync.Ledger, len(rows.Workspaces))
	for i := range rows.Workspaces {
		w := rows.Workspaces[i]
		ledgers[w.ID] = stacksync.NewLedger(&w, owners[w.Owner])
	}
	for i := range rows.Items {
		if l := ledgers[rows.Items[i].Workspace]; l != nil {
			l.Add(&rows.Items[i])
		}
	}
	for i := range rows.Versions {
		if l := ledgers[rows.Versions[i].Workspace]; l != nil {
			l.AddVersion(&rows.Versions[i])
		}
	}
	return ledgers
}
