package memory

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/stacksync/stacksync-go"
)

var errEnded = errors.New("memory store: used after its closure has returned")

// reader reads a snapshot.
type reader struct {
	tables tables
	ended  atomic.Bool
}

var _ stacksync.Reader = (*reader)(nil)

// check says whether a method may go on.
func (r *reader) check(ctx context.Context) error {
	if r.ended.Load() {
		return errEnded
	}
	return ctx.Err()
}

// tx is a reader that changes its snapshot.
type tx struct {
	reader
	owner *owner // of the nodes that this transaction made
}

var _ stacksync.Tx = (*tx)(nil)

// Lock has nothing to do: transactions run one at a time.
func (t *tx) Lock(ctx context.Context, _ stacksync.LockParams) (stacksync.LockResult, error) {
	return stacksync.LockResult{}, t.check(ctx)
}

// Put is documented at stacksync.Writer. It keeps no reference to what p holds.
func (t *tx) Put(ctx context.Context, p stacksync.PutParams) (stacksync.PutResult, error) {
	if err := t.check(ctx); err != nil {
		return stacksync.PutResult{}, err
	}
	to, o := &t.tables, t.owner
	for _, u := range p.Users {
		u.CreatedAt, u.HintDue = keptTime(u.CreatedAt), keptTime(u.HintDue)
		to.putUser(o, u)
	}
	for _, d := range p.Devices {
		d.CreatedAt = keptTime(d.CreatedAt)
		to.devices.set(o, deviceKey{user: d.User, device: d.ID}, d)
	}
	for _, w := range p.Workspaces {
		w.CreatedAt, w.HintDue, w.FrozenUntil = keptTime(w.CreatedAt), keptTime(w.HintDue), keptTime(w.FrozenUntil)
		to.putWorkspace(o, w)
	}
	for _, m := range p.Members {
		m.JoinedAt = keptTime(m.JoinedAt)
		to.putMember(o, m)
	}
	for _, row := range p.Items {
		to.putItem(o, ownItem(row))
	}
	for _, row := range p.Superseded {
		own := ownItem(row)
		to.superseded.set(o, versionKey(own), own)
	}
	for _, c := range p.Chunks {
		to.chunks.set(o, stacksync.ChunkKey{Workspace: c.Workspace, Name: c.Name}, c)
	}
	for _, op := range p.Operations {
		op.CreatedAt, op.UpdatedAt, op.Due = keptTime(op.CreatedAt), keptTime(op.UpdatedAt), keptTime(op.Due)
		to.putOperation(o, &op)
	}
	return stacksync.PutResult{}, nil
}
