package metastoretest

import (
	"context"

	"github.com/stacksync/stacksync-go"
)

// bent is a store with faults: each function that is set changes what a method is given, or what it answers.
type bent struct {
	stacksync.MetadataStore

	update func(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error
	view   func(ctx context.Context, fn func(context.Context, stacksync.Reader) error) error
	close  func() error

	usersParams    func(p *stacksync.UsersParams)
	users          func(p stacksync.UsersParams, r *stacksync.UsersResult)
	devices        func(r *stacksync.DevicesResult)
	memberships    func(r *stacksync.MembershipsResult)
	members        func(p stacksync.MembersParams, r *stacksync.MembersResult)
	operations     func(ctx context.Context, below stacksync.Reader, p stacksync.OperationsParams) (stacksync.OperationsResult, error)
	stopped        func(ctx context.Context, below stacksync.Reader, p stacksync.StoppedOperationsParams) (stacksync.StoppedOperationsResult, error)
	loadParams     func(p *stacksync.LoadParams)
	load           func(ctx context.Context, below stacksync.Reader, p stacksync.LoadParams, r *stacksync.LoadResult) error
	childrenParams func(ctx context.Context, below stacksync.Reader, p *stacksync.ChildrenParams)
	children       func(r *stacksync.ChildrenResult)
	versionsParams func(p *stacksync.VersionsParams)
	versions       func(r *stacksync.VersionsResult)
	changesParams  func(p *stacksync.ChangesParams)
	changes        func(ctx context.Context, below stacksync.Reader, p stacksync.ChangesParams, r *stacksync.ChangesRows) error
	put            func(ctx context.Context, below stacksync.Tx, p *stacksync.PutParams) error
	claim          func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error)
	mark           func(ctx context.Context, below stacksync.Tx, p stacksync.MarkNotifiedParams) error

	lock            func(ctx context.Context, below stacksync.Tx, p stacksync.LockParams) error
	remove          func(ctx context.Context, below stacksync.Tx, p stacksync.RemoveParams) error
	purge           func(ctx context.Context, below stacksync.Tx, p stacksync.PurgeParams) (stacksync.PurgeResult, error)
	claimOperations func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimOperationsParams) (stacksync.ClaimOperationsResult, error)

	// Of the store itself. Without them it reads as a View does, with the faults of that.
	directLoad    func(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error)
	directChanges func(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error)
}

func (b *bent) Update(ctx context.Context, fn func(ctx context.Context, tx stacksync.Tx) error) error {
	bend := func(ctx context.Context, tx stacksync.Tx) error { return fn(ctx, bentTx{bentReader{tx, b}, tx, b}) }
	if b.update != nil {
		return b.update(ctx, bend)
	}
	return b.MetadataStore.Update(ctx, bend)
}

func (b *bent) View(ctx context.Context, fn func(ctx context.Context, r stacksync.Reader) error) error {
	bend := func(ctx context.Context, r stacksync.Reader) error { return fn(ctx, bentReader{r, b}) }
	if b.view != nil {
		return b.view(ctx, bend)
	}
	return b.MetadataStore.View(ctx, bend)
}

func (b *bent) Load(ctx context.Context, p stacksync.LoadParams) (result stacksync.LoadResult, err error) {
	if b.directLoad != nil {
		return b.directLoad(ctx, p)
	}
	err = b.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		result, err = r.Load(ctx, p)
		return err
	})
	return result, err
}

func (b *bent) Changes(ctx context.Context, p stacksync.ChangesParams) (result stacksync.ChangesRows, err error) {
	if b.directChanges != nil {
		return b.directChanges(ctx, p)
	}
	err = b.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		result, err = r.Changes(ctx, p)
		return err
	})
	return result, err
}

func (b *bent) Close() error {
	if b.close != nil {
		return b.close()
	}
	return b.MetadataStore.Close()
}

type bentReader struct {
	stacksync.Reader
	b *bent
}

func (r bentReader) Users(ctx context.Context, p stacksync.UsersParams) (stacksync.UsersResult, error) {
	if r.b.usersParams != nil {
		r.b.usersParams(&p)
	}
	result, err := r.Reader.Users(ctx, p)
	if err == nil && r.b.users != nil {
		r.b.users(p, &result)
	}
	return result, err
}

func (r bentReader) Devices(ctx context.Context, p stacksync.DevicesParams) (stacksync.DevicesResult, error) {
	result, err := r.Reader.Devices(ctx, p)
	if err == nil && r.b.devices != nil {
		r.b.devices(&result)
	}
	return result, err
}

func (r bentReader) Memberships(ctx context.Context, p stacksync.MembershipsParams) (stacksync.MembershipsResult, error) {
	result, err := r.Reader.Memberships(ctx, p)
	if err == nil && r.b.memberships != nil {
		r.b.memberships(&result)
	}
	return result, err
}

func (r bentReader) Members(ctx context.Context, p stacksync.MembersParams) (stacksync.MembersResult, error) {
	result, err := r.Reader.Members(ctx, p)
	if err == nil && r.b.members != nil {
		r.b.members(p, &result)
	}
	return result, err
}

func (r bentReader) Operations(ctx context.Context, p stacksync.OperationsParams) (stacksync.OperationsResult, error) {
	if r.b.operations != nil {
		return r.b.operations(ctx, r.Reader, p)
	}
	return r.Reader.Operations(ctx, p)
}

func (r bentReader) StoppedOperations(ctx context.Context, p stacksync.StoppedOperationsParams) (stacksync.StoppedOperationsResult, error) {
	if r.b.stopped != nil {
		return r.b.stopped(ctx, r.Reader, p)
	}
	return r.Reader.StoppedOperations(ctx, p)
}

func (r bentReader) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	if r.b.loadParams != nil {
		r.b.loadParams(&p)
	}
	result, err := r.Reader.Load(ctx, p)
	if err == nil && r.b.load != nil {
		err = r.b.load(ctx, r.Reader, p, &result)
	}
	return result, err
}

func (r bentReader) Children(ctx context.Context, p stacksync.ChildrenParams) (stacksync.ChildrenResult, error) {
	if r.b.childrenParams != nil {
		r.b.childrenParams(ctx, r.Reader, &p)
	}
	result, err := r.Reader.Children(ctx, p)
	if err == nil && r.b.children != nil {
		r.b.children(&result)
	}
	return result, err
}

func (r bentReader) Versions(ctx context.Context, p stacksync.VersionsParams) (stacksync.VersionsResult, error) {
	if r.b.versionsParams != nil {
		r.b.versionsParams(&p)
	}
	result, err := r.Reader.Versions(ctx, p)
	if err == nil && r.b.versions != nil {
		r.b.versions(&result)
	}
	return result, err
}

func (r bentReader) Changes(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
	if r.b.changesParams != nil {
		r.b.changesParams(&p)
	}
	result, err := r.Reader.Changes(ctx, p)
	if err == nil && r.b.changes != nil {
		err = r.b.changes(ctx, r.Reader, p, &result)
	}
	return result, err
}

type bentTx struct {
	bentReader
	tx stacksync.Tx
	b  *bent
}

func (t bentTx) Lock(ctx context.Context, p stacksync.LockParams) (stacksync.LockResult, error) {
	if t.b.lock != nil {
		if err := t.b.lock(ctx, t.tx, p); err != nil {
			return stacksync.LockResult{}, err
		}
	}
	return t.tx.Lock(ctx, p)
}

func (t bentTx) Remove(ctx context.Context, p stacksync.RemoveParams) (stacksync.RemoveResult, error) {
	if t.b.remove != nil {
		return stacksync.RemoveResult{}, t.b.remove(ctx, t.tx, p)
	}
	return t.tx.Remove(ctx, p)
}

func (t bentTx) Purge(ctx context.Context, p stacksync.PurgeParams) (stacksync.PurgeResult, error) {
	if t.b.purge != nil {
		return t.b.purge(ctx, t.tx, p)
	}
	return t.tx.Purge(ctx, p)
}

func (t bentTx) ClaimOperations(ctx context.Context, p stacksync.ClaimOperationsParams) (stacksync.ClaimOperationsResult, error) {
	if t.b.claimOperations != nil {
		return t.b.claimOperations(ctx, t.tx, p)
	}
	return t.tx.ClaimOperations(ctx, p)
}

func (t bentTx) ClaimHints(ctx context.Context, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
	if t.b.claim != nil {
		return t.b.claim(ctx, t.tx, p)
	}
	return t.tx.ClaimHints(ctx, p)
}

func (t bentTx) MarkNotified(ctx context.Context, p stacksync.MarkNotifiedParams) (stacksync.MarkNotifiedResult, error) {
	if t.b.mark != nil {
		return stacksync.MarkNotifiedResult{}, t.b.mark(ctx, t.tx, p)
	}
	return t.tx.MarkNotified(ctx, p)
}

func (t bentTx) Put(ctx context.Context, p stacksync.PutParams) (stacksync.PutResult, error) {
	if t.b.put != nil {
		if err := t.b.put(ctx, t.tx, &p); err != nil {
			return stacksync.PutResult{}, err
		}
	}
	return t.tx.Put(ctx, p)
}
