package stacksync

import "context"

// What a batch of commits reads, known from its proposals alone, so that one Load brings it.

// lockParams locks the workspaces and, with their owners, the users who act: a revocation of one of their devices then comes
// before the batch or after it.
func lockParams(batch []*commitJob) LockParams {
	var p LockParams
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
	access := make(map[AccessKey]bool)
	deletes, moves := make(map[WorkspaceID]bool), make(map[WorkspaceID]bool)
	for _, j := range batch {
		if key := j.actor.key(j.workspace); !access[key] {
			access[key] = true
			p.Access = append(p.Access, key)
		}
		for i := range j.proposals {
			switch q := &j.proposals[i]; {
			case j.invalid[i] != nil:
			case q.Delete:
				deletes[j.workspace] = true
			case q.Kind == Folder && q.Version > 1:
				moves[j.workspace] = true
			}
		}
	}
	items := make(map[ItemKey]bool)
	item := func(w WorkspaceID, id ItemID) {
		if key := (ItemKey{w, id}); !id.IsZero() && !items[key] {
			items[key] = true
			p.Items = append(p.Items, key)
		}
	}
	for _, j := range batch {
		for i := range j.proposals {
			if j.invalid[i] != nil {
				continue
			}
			q, w := &j.proposals[i], j.workspace
			item(w, q.Item)
			if q.Delete {
				p.Subtrees = append(p.Subtrees, ItemKey{w, q.Item})
				continue
			}
			item(w, q.Parent)
			p.Names = append(p.Names, NameKey{w, q.Parent, j.keys[i]})
			if !j.unchecked {
				for k := range q.Chunks {
					p.Chunks = append(p.Chunks, ChunkKey{w, q.Chunks[k].Name})
				}
			}
			if q.Kind == Folder && moves[w] && !q.Parent.IsZero() {
				p.Ancestors = append(p.Ancestors, ItemKey{w, q.Parent})
			}
			// A folder may move into one that a later proposal deletes.
			if q.Kind == Folder && q.Version > 1 && deletes[w] {
				p.Subtrees = append(p.Subtrees, ItemKey{w, q.Item})
			}
		}
	}
	return p
}

// loadSuperseded reads the old versions that are proposed again. Few commits need it: a client repeats one whose answer it lost.
func loadSuperseded(ctx context.Context, tx Tx, batch []*commitJob, rows *LoadResult) error {
	current := make(map[ItemKey]int64, len(rows.Items))
	for i := range rows.Items {
		row := &rows.Items[i]
		current[ItemKey{row.Workspace, row.ID}] = row.Version
	}
	var p LoadParams
	for _, j := range batch {
		for i := range j.proposals {
			q := &j.proposals[i]
			if j.invalid[i] == nil && q.Version < current[ItemKey{j.workspace, q.Item}] {
				p.Versions = append(p.Versions, VersionKey{j.workspace, q.Item, q.Version})
			}
		}
	}
	if len(p.Versions) == 0 {
		return nil
	}
	more, err := tx.Load(ctx, p)
	rows.Versions = more.Versions
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
	for i := range rows.Chunks {
		if sp := spaces[rows.Chunks[i].Workspace]; sp != nil {
			sp.chunks[rows.Chunks[i].Name] = rows.Chunks[i].Size
		}
	}
	return spaces
}
