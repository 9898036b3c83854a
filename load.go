package stacksync

import (
	"context"
	"time"
)

// What a batch of commits reads, known from its proposals alone, so that one Load brings it.

// lockParams locks the workspaces and, with their owners, the users who act: a revocation of one of their devices then comes
// before the batch or after it.
func lockParams(batch []*commitJob, wait time.Duration) LockParams {
	p := LockParams{Wait: wait}
	spaces, users := make(map[WorkspaceID]bool), make(map[UserID]bool)
	for _, j := range batch {
		if !spaces[j.workspace] {
			spaces[j.workspace] = true
			p.Workspaces = append(p.Workspaces, j.workspace)
		}
		if !users[j.actor.User] {
			users[j.actor.User] = true
			p.Users = append(p.Users, j.actor.User)
		}
	}
	return p
}

func loadParams(batch []*commitJob) LoadParams {
	var p LoadParams
	access, items := make(map[AccessKey]bool), make(map[ItemKey]bool)
	item := func(w WorkspaceID, id ItemID) {
		if key := (ItemKey{w, id}); !id.IsZero() && !items[key] {
			items[key] = true
			p.Items = append(p.Items, key)
		}
	}
	for _, j := range batch {
		w := j.workspace
		if key := j.actor.key(w); !access[key] {
			access[key] = true
			p.Access = append(p.Access, key)
		}
		for i := range j.proposals {
			q := &j.proposals[i]
			if j.invalid[i] != nil {
				continue
			}
			item(w, q.Item)
			if q.Delete {
				continue
			}
			item(w, q.Parent)
			p.Names = append(p.Names, NameKey{w, q.Parent, j.keys[i]})
			if q.Kind == Folder && !q.Parent.IsZero() {
				p.Ancestors = append(p.Ancestors, ItemKey{w, q.Parent})
			}
		}
	}
	return p
}

// loadMore reads what few commits need, and what nobody is to cause who may not commit: the old versions that are proposed
// again, as a client does that lost an answer, and what lies below folders that are deleted.
func loadMore(ctx context.Context, tx Tx, batch []*commitJob, rows *LoadResult) error {
	current := make(map[ItemKey]*ItemRow, len(rows.Items))
	for i := range rows.Items {
		row := &rows.Items[i]
		current[ItemKey{row.Workspace, row.ID}] = row
	}
	var p LoadParams
	deletes := make(map[WorkspaceID]bool) // where a folder may be deleted
	each := func(f func(key ItemKey, q *Proposal, row *ItemRow)) {
		for _, j := range batch {
			for i := range j.proposals {
				if q := &j.proposals[i]; j.err == nil && j.invalid[i] == nil {
					key := ItemKey{j.workspace, q.Item}
					f(key, q, current[key])
				}
			}
		}
	}
	each(func(key ItemKey, q *Proposal, row *ItemRow) {
		switch {
		case row != nil && q.Version < row.Version:
			p.Versions = append(p.Versions, VersionKey{key.Workspace, key.Item, q.Version})
		case q.Delete && row == nil: // perhaps made by an earlier proposal
			deletes[key.Workspace] = true
		case q.Delete && row.Kind == Folder && q.Version > row.Version:
			deletes[key.Workspace] = true
			p.Subtrees = append(p.Subtrees, key)
		}
	})
	each(func(key ItemKey, q *Proposal, row *ItemRow) {
		// A folder may move into one that a later proposal deletes.
		if deletes[key.Workspace] && row != nil && !q.Delete && row.Kind == Folder && row.Parent != q.Parent {
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

// makeSpaces arranges what was loaded for the decider. It copies what that counts up, so that rows, which may be shared, stay as
// they are.
func makeSpaces(rows *LoadResult) map[WorkspaceID]*space {
	owners := make(map[UserID]*User, len(rows.Owners))
	for i := range rows.Owners {
		owner := rows.Owners[i]
		owners[owner.ID] = &owner
	}
	spaces := make(map[WorkspaceID]*space, len(rows.Workspaces))
	for i := range rows.Workspaces {
		w := rows.Workspaces[i]
		spaces[w.ID] = newSpace(&w, owners[w.Owner])
	}
	for i := range rows.Items {
		if sp := spaces[rows.Items[i].Workspace]; sp != nil {
			sp.load(&rows.Items[i])
		}
	}
	for i := range rows.Versions {
		if sp := spaces[rows.Versions[i].Workspace]; sp != nil {
			sp.versions[rows.Versions[i].key()] = &rows.Versions[i]
		}
	}
	return spaces
}
