package metastoretest

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
)

// loose is a store whose transactions run at the same time, kept apart by its locks alone: each read is a snapshot of
// its own, and what is Put is saved at the end. It does not see its own rows, which no check of locks looks for. It
// keeps the promises about locks unless one of its faults is set.
type loose struct {
	stacksync.MetadataStore

	noLocks        bool // Lock does nothing
	noOwners       bool // owners of workspaces are not locked
	noUnknownUsers bool // users that don't exist are not locked
	noOperations   bool // operations are not locked
	asAsked        bool // ids are locked in the order they are asked, each time they are asked
	deaf           bool // waiting for a lock does not end with ctx
	sticky         bool // locks of a failed transaction stay
	snapshot       bool // reads after Lock see what the same read saw before
	piecemeal      bool // each Put commits on its own, at the end
	early          bool // each Put commits on its own, at once
	patient        bool // Lock waits longer than Wait
	ownBusy        bool // Lock has an error of its own where Wait is over
	goesOn         bool // a transaction that was busy can commit
	remembers      bool // Wait stays set
	waitsToClaim   bool // ClaimHints and ClaimOperations wait for locks
	claimsBlindly  bool // they lock nothing, nor look for locks
	marksBlindly   bool // MarkNotified locks nothing
	marksAsAsked   bool // MarkNotified locks in no order

	mu    sync.Mutex
	locks map[string]chan struct{}
	wait  time.Duration // of the last Lock that had one, for remembers
}

func (l *loose) Update(ctx context.Context, fn func(ctx context.Context, tx stacksync.Tx) error) (err error) {
	if l.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	t := &looseTx{store: l, seen: map[string]any{}}
	defer func() {
		if err == nil || !l.sticky {
			t.unlock()
		}
	}()
	if err := fn(ctx, t); err != nil {
		return err
	}
	if t.failed != nil {
		return t.failed
	}
	if l.piecemeal {
		for _, p := range t.puts {
			if err := l.save(ctx, p); err != nil {
				return err
			}
			runtime.Gosched()
		}
		return nil
	}
	return l.save(ctx, t.puts...)
}

func (l *loose) save(ctx context.Context, puts ...stacksync.PutParams) error {
	return l.MetadataStore.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		for _, p := range puts {
			if _, err := tx.Put(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// Writers says that its transactions run at the same time.
func (l *loose) Writers() int { return 4 }

// of returns the lock of an id: a channel that holds an element while it is locked.
func (l *loose) of(id string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.locks == nil {
		l.locks = map[string]chan struct{}{}
	}
	if l.locks[id] == nil {
		l.locks[id] = make(chan struct{}, 1)
	}
	return l.locks[id]
}

type looseTx struct {
	stacksync.Reader  // nil: no check of locks calls what is not below
	stacksync.Remover // nil too

	store  *loose
	held   []string
	puts   []stacksync.PutParams
	seen   map[string]any // what the reads have answered
	failed error
}

func (t *looseTx) Lock(ctx context.Context, p stacksync.LockParams) (stacksync.LockResult, error) {
	if t.store.noLocks {
		return stacksync.LockResult{}, nil
	}
	ids, err := t.ids(ctx, p)
	if err != nil {
		return stacksync.LockResult{}, err
	}
	held, cancel := t.store.waiting(ctx, p.Wait)
	defer cancel()
	for _, id := range ids {
		if err := t.lock(held, id); err != nil {
			if ctx.Err() == nil {
				err = t.busy()
			}
			return stacksync.LockResult{}, err
		}
		runtime.Gosched() // as a database's round trips would
	}
	return stacksync.LockResult{}, nil
}

// waiting returns a ctx that ends when wait is over, if there is one.
func (l *loose) waiting(ctx context.Context, wait time.Duration) (context.Context, context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait > 0 {
		l.wait = wait
	}
	if l.remembers {
		wait = l.wait
	}
	if wait == 0 || l.patient {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, wait)
}

func (t *looseTx) busy() error {
	err := fmt.Errorf("lock: %w", stacksync.ErrBusy)
	if t.store.ownBusy {
		err = opaque(err)
	}
	if !t.store.goesOn {
		t.failed = err
	}
	return err
}

func (t *looseTx) ids(ctx context.Context, p stacksync.LockParams) (ids []string, err error) {
	var access stacksync.LoadParams
	for _, id := range p.Workspaces {
		access.Access = append(access.Access, stacksync.AccessKey{Workspace: id})
	}
	known, err := t.Load(ctx, access)
	if err != nil {
		return nil, err
	}
	users := slices.Clone(p.Users)
	if t.store.noUnknownUsers {
		found, err := t.Users(ctx, stacksync.UsersParams{IDs: users})
		if err != nil {
			return nil, err
		}
		users = nil
		for _, u := range found.Users {
			users = append(users, u.ID)
		}
	}
	if !t.store.noOwners {
		for _, u := range known.Owners {
			users = append(users, u.ID)
		}
	}
	workspaces := slices.Clone(p.Workspaces)
	if !t.store.asAsked {
		slices.SortFunc(workspaces, func(a, b stacksync.WorkspaceID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
		slices.Sort(users)
		workspaces, users = slices.Compact(workspaces), slices.Compact(users)
	}
	for _, w := range workspaces {
		ids = append(ids, w.String())
	}
	for _, u := range users {
		ids = append(ids, string(u))
	}
	operations, err := t.operationsToLock(ctx, p.Operations)
	return append(ids, operations...), err
}

// operationsToLock leaves out those that don't exist.
func (t *looseTx) operationsToLock(ctx context.Context, asked []stacksync.OperationID) (ids []string, err error) {
	if len(asked) == 0 || t.store.noOperations {
		return nil, nil
	}
	found, err := t.store.operations(ctx, stacksync.OperationsParams{IDs: asked, Limit: len(asked)})
	if err != nil {
		return nil, err
	}
	for _, id := range asked {
		if slices.Contains(operationIDs(found.Operations...), id) {
			ids = append(ids, id.String())
		}
	}
	if !t.store.asAsked {
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	return ids, nil
}

func (t *looseTx) lock(ctx context.Context, id string) error {
	if !t.store.asAsked && slices.Contains(t.held, id) {
		return nil
	}
	if t.store.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	locked := t.store.of(id)
	select {
	case locked <- struct{}{}: // what is free is not waited for, though Wait be over
	default:
		select {
		case locked <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	t.held = append(t.held, id)
	return nil
}

func (t *looseTx) unlock() {
	for _, id := range t.held {
		<-t.store.of(id)
	}
}

func (t *looseTx) Users(ctx context.Context, p stacksync.UsersParams) (result stacksync.UsersResult, err error) {
	err = t.store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		result, err = r.Users(ctx, p)
		return err
	})
	return result, err
}

func (t *looseTx) Load(ctx context.Context, p stacksync.LoadParams) (result stacksync.LoadResult, err error) {
	if seen, ok := t.seen[fmt.Sprint(p)].(stacksync.LoadResult); ok && t.store.snapshot {
		return seen, nil
	}
	result, err = t.store.Load(ctx, p)
	t.seen[fmt.Sprint(p)] = result
	return result, err
}

func (t *looseTx) Operations(ctx context.Context, p stacksync.OperationsParams) (result stacksync.OperationsResult, err error) {
	if seen, ok := t.seen[fmt.Sprint(p)].(stacksync.OperationsResult); ok && t.store.snapshot {
		return seen, nil
	}
	result, err = t.store.operations(ctx, p)
	t.seen[fmt.Sprint(p)] = result
	return result, err
}

func (l *loose) operations(ctx context.Context, p stacksync.OperationsParams) (result stacksync.OperationsResult, err error) {
	err = l.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		result, err = r.Operations(ctx, p)
		return err
	})
	return result, err
}

func (t *looseTx) Put(ctx context.Context, p stacksync.PutParams) (stacksync.PutResult, error) {
	if t.store.early {
		return stacksync.PutResult{}, t.store.save(ctx, p)
	}
	t.puts = append(t.puts, p)
	return stacksync.PutResult{}, nil
}
