package operation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

const (
	// lease is how long no other worker claims an operation whose worker does not report. The
	// worker reports every beat.
	lease = 30 * time.Second
	beat  = 2 * time.Second
	// look is how often a caller reads how far the worker of another process is.
	look = 500 * time.Millisecond
	// longestWait is the longest wait between two tries of a step. The wait begins at one second
	// and doubles.
	longestWait = 5 * time.Minute
	// noteTimeout bounds the last transaction of a worker that ends.
	noteTimeout = 10 * time.Second
	// maxData and maxError bound Operation.Data and Operation.Error, in bytes: stores promise to
	// keep that much.
	maxData  = 1 << 20
	maxError = 4 << 10
)

// Most is how many operations of a workspace or of a user the service looks at: more never run at
// once.
const Most = 1000

var (
	// errFenced ends the work of a worker whose operation another worker has claimed.
	errFenced = errors.New("another worker goes on with the operation")
	// errAdvanced says that the saved operation is further than its worker knew: a transaction that
	// seemed to have failed was saved.
	errAdvanced = errors.New("the operation is further")
)

// Plan says how operations of a kind are done.
type Plan struct {
	// Steps are done in order; there is at least one.
	Steps []Step
	// Payload makes the zero value of the data that operations of the kind keep in Operation.Data,
	// as JSON: a pointer. nil if they keep nothing.
	Payload func() any
	// Forget drops from the payload the parts that need not be kept once an operation is done or
	// undone. May be nil.
	Forget func(payload any)
	// Undo is done in place of all steps when an operation is turned back. nil for kinds that only
	// go forward.
	Undo func(ctx context.Context, t *Task) error
	// Undone returns the reason why an operation was undone, or nil if there is none beside
	// ErrUndone. May be nil.
	Undone func(o *stacksync.Operation) error
	// Vanishes says that the row of an operation is removed once it is done: of such kinds there
	// are many operations, and nothing is worth showing.
	Vanishes bool
	// Replaces asks for the operations that a stopped operation replaces. If the operation stops,
	// those of the answer that are of its kind and have stopped before are removed, since resuming
	// this one does all their work. May be nil.
	Replaces func(o *stacksync.Operation) stacksync.OperationsParams
}

// Step is one step of an operation. Run may be called again after it has failed, and after it has
// succeeded if the process crashed. When Run returns nil, the engine goes on to the next step,
// unless Run has done so by Task.Next in a transaction of its own.
type Step struct {
	Name string
	Run  func(ctx context.Context, t *Task) error
}

// Names of steps that more than one room knows. They are stored: never rename one.
const (
	// UndoStep is the step in which Plan.Undo runs.
	UndoStep = "undo"
	// AccessStep is the step that tells the storage which accounts reach containers.
	AccessStep = "access"
)

// Engine records operations and works on them. Its methods may be called from many goroutines.
type Engine struct {
	*session.Kernel
	Plans map[stacksync.OperationKind]Plan
}

// Record saves a new operation with the transaction w. Once that is committed, the caller calls
// Start. payload is of the type that the kind's Plan.Payload makes; nil for none. ErrLimit: the
// payload takes more than 1 MiB.
func (e *Engine) Record(w *session.Write, kind stacksync.OperationKind, user stacksync.UserID, workspace, source stacksync.WorkspaceID, payload any) (stacksync.Operation, error) {
	id, err := e.NewID()
	if err != nil {
		return stacksync.Operation{}, err
	}
	data, err := Encode(payload)
	if err != nil {
		return stacksync.Operation{}, err
	}
	now := e.Now()
	op := stacksync.Operation{
		ID: stacksync.OperationID{UUID: id}, Kind: kind, User: user, Workspace: workspace, Source: source,
		State: stacksync.OperationRunning, Step: e.FirstStep(kind),
		CreatedAt: now, UpdatedAt: now, Data: data, Due: now.Add(lease), Fence: 1,
	}
	w.Rows.Operations = append(w.Rows.Operations, op)
	return op, nil
}

// FirstStep returns the name of the first step of a kind.
func (e *Engine) FirstStep(kind stacksync.OperationKind) string { return e.Plans[kind].Steps[0].Name }

// TakeUp saves with the transaction w that this process has the operation, whether it had stopped
// or another worker had it. Once that is committed, the caller calls Start.
func (e *Engine) TakeUp(w *session.Write, op *stacksync.Operation) {
	now := e.Now()
	op.State, op.Tries, op.Error = stacksync.OperationRunning, 0, ""
	op.UpdatedAt, op.Due, op.Fence = now, now.Add(lease), op.Fence+1
	w.Rows.Operations = append(w.Rows.Operations, *op)
}

// Finish works on operations that this process has recorded, and waits until they are done or ctx
// ends. It returns the first error, an *OperationError. All of them go on whatever it returns.
func (e *Engine) Finish(ctx context.Context, ops ...stacksync.Operation) error {
	tasks := make([]*Task, len(ops))
	for i := range ops {
		tasks[i] = e.Start(ops[i])
	}
	for _, t := range tasks {
		if err := t.Await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// FinishIf is Finish for an operation that may be nil.
func (e *Engine) FinishIf(ctx context.Context, op *stacksync.Operation) error {
	if op == nil {
		return nil
	}
	return e.Finish(ctx, *op)
}

// Start works on an operation in a goroutine of its own. The caller must be counted in
// Kernel.Running.
func (e *Engine) Start(op stacksync.Operation) *Task {
	t := &Task{Engine: e, Op: op, ended: make(chan struct{})}
	e.Running.Go(func() {
		defer close(t.ended)
		t.err = alive.Contain(t.work)
	})
	return t
}

// watch waits until an operation that another worker has claimed is no longer running, or ctx ends,
// or the service closes. It returns the operation as last read.
func (e *Engine) watch(ctx context.Context, op stacksync.Operation) (stacksync.Operation, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.Closing, func() { cancel(stacksync.ErrClosed) })()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	kind := op.Kind
	for {
		err := e.Store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
			now, err := Read(ctx, r, op.ID)
			if errors.Is(err, stacksync.ErrOperationNotFound) && e.Plans[kind].Vanishes {
				op.State, err = stacksync.OperationDone, nil
			} else if err == nil {
				op = now
			}
			return err
		})
		switch {
		case ctx.Err() != nil:
			return op, &stacksync.OperationError{Operation: op, Err: context.Cause(ctx)}
		case err != nil:
			return op, &stacksync.OperationError{Operation: op, Err: err}
		case op.State == stacksync.OperationDone && op.Kind != kind: // the share was turned back, and has become a return
			return op, &stacksync.OperationError{Operation: op, Err: stacksync.ErrUndone}
		case op.State != stacksync.OperationRunning:
			return op, e.ending(&op)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// ending returns the error for the caller who has asked for an operation that is no longer running:
// nil if it is done.
func (e *Engine) ending(o *stacksync.Operation) error {
	var err error
	switch o.State {
	case stacksync.OperationStopped:
		err = errors.New(o.Error)
	case stacksync.OperationUndone:
		err = stacksync.ErrUndone
		if undone := e.Plans[o.Kind].Undone; undone != nil {
			if why := undone(o); why != nil {
				err = fmt.Errorf("%w: %w", stacksync.ErrUndone, why)
			}
		}
	default:
		return nil
	}
	return &stacksync.OperationError{Operation: *o, Err: err}
}

// Encode returns a payload in the form of Operation.Data. ErrLimit: it takes more than 1 MiB.
func Encode(payload any) (string, error) {
	if payload == nil {
		return "{}", nil
	}
	text, err := json.Marshal(payload)
	if err != nil {
		return "", fmt.Errorf("encode the operation: %w", err)
	}
	if len(text) > maxData {
		return "", fmt.Errorf("%w: the operation takes %d bytes, of %d at most: invite fewer at once", stacksync.ErrLimit, len(text), maxData)
	}
	return string(text), nil
}

// Decode reads the payload of an operation from its Data.
func Decode(o *stacksync.Operation, payload any) error {
	if payload == nil {
		return nil
	}
	if err := json.Unmarshal([]byte(o.Data), payload); err != nil {
		return fmt.Errorf("read operation %v: %w", o.ID, err)
	}
	return nil
}

// Read reads an operation. ErrOperationNotFound.
func Read(ctx context.Context, r stacksync.JournalReader, id stacksync.OperationID) (stacksync.Operation, error) {
	res, err := r.Operations(ctx, stacksync.OperationsParams{IDs: []stacksync.OperationID{id}, Limit: 1})
	if err != nil {
		return stacksync.Operation{}, err
	}
	if len(res.Operations) == 0 {
		return stacksync.Operation{}, stacksync.ErrOperationNotFound
	}
	return res.Operations[0], nil
}

// Unfinished returns the operations about some workspaces, or whose items leave them, that are
// running or have stopped. A workspace that has no members yet shows in its operation alone.
func Unfinished(ctx context.Context, r stacksync.JournalReader, ids ...stacksync.WorkspaceID) ([]stacksync.Operation, error) {
	var all []stacksync.Operation
	for _, state := range []stacksync.OperationState{stacksync.OperationRunning, stacksync.OperationStopped} {
		res, err := r.Operations(ctx, stacksync.OperationsParams{Workspaces: ids, State: state, Limit: Most})
		if err != nil {
			return nil, err
		}
		all = append(all, res.Operations...)
	}
	return all, nil
}

// OfUser returns the ids of a user's operations of one kind in one state, at most Most.
func OfUser(ctx context.Context, r stacksync.JournalReader, user stacksync.UserID, kind stacksync.OperationKind, state stacksync.OperationState) ([]stacksync.OperationID, error) {
	res, err := r.Operations(ctx, stacksync.OperationsParams{Users: []stacksync.UserID{user}, State: state, Limit: Most})
	var ids []stacksync.OperationID
	for i := range res.Operations {
		if res.Operations[i].Kind == kind {
			ids = append(ids, res.Operations[i].ID)
		}
	}
	return ids, err
}
