package stacksync

import (
	"context"

	"github.com/google/uuid"
)

// Ids are chosen by devices: one that a member has given an item of a shared folder may be that of another item of the owner's. When the
// folder returns, such an item gets another id, always the same one, so that neither takes the other's place, or its history.
//
// Those are the owner's own that have neither left for this workspace nor lie in the folder that returns, where items come to lie by and by.

// otherID is what an item is called in the target where its own id is taken.
func (m *mover) otherID(id ItemID) ItemID {
	return ItemID{uuid.NewSHA1(m.from.ID.UUID, id.UUID[:])}
}

// renamed returns how items of the source are called in the target, of those that have another id there, and the target's rows of all.
func (m *mover) renamed(ctx context.Context, r Loader, ids []ItemID) (as map[ItemID]ItemID, to map[ItemID]*ItemRow, err error) {
	var p LoadParams
	for _, id := range ids {
		p.Items = append(p.Items, ItemKey{m.to.ID, id})
		if m.Kind == OperationReturn {
			p.Items = append(p.Items, ItemKey{m.to.ID, m.otherID(id)})
		}
	}
	rows, err := r.Load(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	as, to = make(map[ItemID]ItemID), byID(rows.Items)
	if m.Kind != OperationReturn {
		return as, to, nil // nobody else writes to a new workspace
	}
	p = LoadParams{}
	for _, id := range ids {
		if row := to[id]; row != nil && !row.Deleted {
			p.Ancestors = append(p.Ancestors, ItemKey{m.to.ID, id})
		}
	}
	above := map[ItemID]*ItemRow{}
	if len(p.Ancestors) > 0 {
		if rows, err = r.Load(ctx, p); err != nil {
			return nil, nil, err
		}
		above = byID(rows.Items)
	}
	inside := func(row *ItemRow) bool {
		for n := 0; row != nil && n <= len(above); n++ {
			if row.Parent == m.rootTo {
				return true
			}
			row = above[row.Parent]
		}
		return false
	}
	for _, id := range ids {
		row, other := to[id], m.otherID(id)
		switch {
		case id == m.rootTo: // a member gave the folder's own id away
			as[id] = other
		case to[other] != nil:
			as[id] = other
		case row == nil, row.Deleted && row.MovedTo == m.from.ID, !row.Deleted && inside(row):
		default:
			as[id] = other
		}
	}
	return as, to, nil
}

// target returns what an item of the source is called in the target.
func (tr *transit) target(id ItemID) ItemID {
	if other, ok := tr.as[id]; ok {
		return other
	}
	return id
}
