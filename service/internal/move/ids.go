package move

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/google/uuid"

	"github.com/stacksync/stacksync-go"
)

// Devices choose ids. So a member may have given an item of a shared folder an id that another item
// of the owner has. When the folder returns, the member's item gets another id, always the same
// one, so that neither item takes the other's place or history.
//
// In the target, items of the owner's own are those that neither have left for the source nor lie
// in the folder that returns, where items come to lie by and by.

// otherID returns the id of an item in the target where its own id is taken. It depends on the
// operation's secret, so that no user can tell it before.
func (m *run) otherID(id stacksync.ItemID) stacksync.ItemID {
	mac := hmac.New(sha256.New, m.payload().Secret)
	mac.Write(id.UUID[:])
	other := uuid.UUID(mac.Sum(nil)[:16])
	other[6], other[8] = other[6]&0x0f|0x80, other[8]&0x3f|0x80 // version 8, for ids of one's own making (RFC 9562, 5.8)
	return stacksync.ItemID{UUID: other}
}

// renamed returns as, the ids in the target of those items of the source that have another id
// there, and to, the target's rows of all items by their ids there. kinds are the source's items.
func (m *run) renamed(ctx context.Context, r stacksync.Loader, kinds map[stacksync.ItemID]stacksync.Kind) (as map[stacksync.ItemID]stacksync.ItemID, to map[stacksync.ItemID]*stacksync.ItemRow, err error) {
	// A share's target is new, and nobody else writes to it.
	returns := m.task.Op.Kind == stacksync.OperationReturn
	var p stacksync.LoadParams
	for id := range kinds {
		p.Items = append(p.Items, stacksync.ItemKey{Workspace: m.to.ID, Item: id})
		if returns {
			p.Items = append(p.Items, stacksync.ItemKey{Workspace: m.to.ID, Item: m.otherID(id)})
		}
	}
	rows, err := r.Load(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	as, to = make(map[stacksync.ItemID]stacksync.ItemID), byID(rows.Items)
	if !returns {
		return as, to, nil
	}
	inside, err := m.inside(ctx, r, kinds, to)
	if err != nil {
		return nil, nil, err
	}
	for id := range kinds {
		row, other := to[id], m.otherID(id)
		switch {
		case to[other] != nil, id == m.rootTo:
			as[id] = other
		case row == nil, row.Deleted && row.MovedTo == m.from.ID, inside[id]:
		default:
			as[id] = other
		}
	}
	return as, to, nil
}

// inside returns which of the folders live in the folder that everything returns to. It looks at
// folders only: files leave the source in the transaction in which they arrive.
func (m *run) inside(ctx context.Context, r stacksync.Loader, kinds map[stacksync.ItemID]stacksync.Kind, to map[stacksync.ItemID]*stacksync.ItemRow) (map[stacksync.ItemID]bool, error) {
	var p stacksync.LoadParams
	for id, kind := range kinds {
		if row := to[id]; row != nil && !row.Deleted && row.Kind == stacksync.Folder && kind == stacksync.Folder {
			p.Ancestors = append(p.Ancestors, stacksync.ItemKey{Workspace: m.to.ID, Item: id})
		}
	}
	inside := make(map[stacksync.ItemID]bool)
	if len(p.Ancestors) == 0 {
		return inside, nil
	}
	rows, err := r.Load(ctx, p)
	if err != nil {
		return nil, err
	}
	above := byID(rows.Items)
	for _, key := range p.Ancestors {
		row := to[key.Item]
		for n := 0; row != nil && n <= len(above) && !inside[key.Item]; n++ {
			inside[key.Item] = row.Parent == m.rootTo
			row = above[row.Parent]
		}
	}
	return inside, nil
}

// target returns the id of an item of the source in the target.
func (tr *transit) target(id stacksync.ItemID) stacksync.ItemID {
	if other, ok := tr.as[id]; ok {
		return other
	}
	return id
}

// NewSecret makes the secret of an operation, 32 random bytes: run.otherID derives ids from it that
// nobody can foretell.
func NewSecret() ([]byte, error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("make a secret: %w", err)
	}
	return secret, nil
}
