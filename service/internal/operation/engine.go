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
	// lease is how long nobody else takes on an operation whose worker does not report. The worker
	// reports each beat.
	lease = 30 * time.Second
	beat  = 2 * time.Second
	// look is how often a caller looks how far another process's worker is.
	look = 500 * time.Millisecond
	// longestWait is the longest wait between two tries of a step, which doubles from a second on.
	longestWait = 5 * time.Minute
	// noteTimeout bounds what a worker still notes when it ends.
	noteTimeout = 10 * time.Second
	// maxData and maxError are what stores promise to keep of an operation, in bytes.
	maxData  = 1 << 20
	maxError = 4 << 10
)

// Most is how many operations of a workspace or of a user are looked at: more never run at once.
const Most = 1000

var (
	// errFenced ends the work of a worker that has lost its operation to another one.
	errFenced = errors.New("another worker goes on with the operation")
	// errAdvanced says that the operation is further than its worker knew: a transaction that
	// seemed to have failed was saved.
	errAdvanced = errors.New("the operation is further")
)

// Plan says how operations of a kind are done.
type Plan struct {
	// Steps in order; at least one.
	Steps []Step
	// Payload makes the zero value of what an operation of the kind keeps in its Data, as JSON: a
	// pointer. nil: nothing.
	Payload func() any
	// Forget is called once an operation is done or undone, and drops from its payload what need
	// not be kept. May be nil.
	Forget func(payload any)
	// Undo takes the place of all steps when an operation is turned back. nil for kinds that only
	// go forward.
	Undo func(ctx context.Context, t *Task) error
	// Undone says why an operation was undone, where there is more to say than ErrUndone. May be
	// nil.
	Undone func(o *stacksync.Operation) error
	// Vanishes says that nothing is kept of an operation that is done: of such there are many, and
	// nothing to see.
	Vanishes bool
	// Replaces asks for operations among which are those that this one does all the work of, once
	// it has stopped: those of its kind that have stopped before. May be nil.
	Replaces func(o *stacksync.Operation) stacksync.OperationsParams
}

// Step is one step of an operation. Run may be called again after it has failed, or after it has
// succeeded and the process crashed. It either leaves it to the task to go on to the next step, or
// does so in a transaction of its own, by Task.Next.
type Step struct {
	Name string
	Run  func(ctx context.Context, t *Task) error
}

// Names of steps that more than one room knows. They are stored.
const (
	// UndoStep is the one in which Plan.Undo runs.
	UndoStep = "undo"
	// AccessStep is the one that tells the storage who reaches containers.
	AccessStep = "access"
)

// Engine records operations and works on them.
type Engine struct {
	*session.Kernel
	Plans map[stacksync.OperationKind]Plan
}

// Record saves a new operation with the transaction. Once that is committed, Start runs it. payload
// is what the kind's Plan makes, nil for nothing.
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

// TakeUp makes an operation that has stopped, or that another worker has, this process's own in the
// transaction. Once that is committed, Start runs it.
func (e *Engine) TakeUp(w *session.Write, op *stacksync.Operation) {
	now := e.Now()
	op.State, op.Tries, op.Error = stacksync.OperationRunning, 0, ""
	op.UpdatedAt, op.Due, op.Fence = now, now.Add(lease), op.Fence+1
	w.Rows.Operations = append(w.Rows.Operations, *op)
}

// Finish works on operations that this process has recorded, until they are done or ctx ends. It
// returns the first error.
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

// FinishIf is Finish for what a transaction has recorded, if anything.
func (e *Engine) FinishIf(ctx context.Context, op *stacksync.Operation) error {
	if op == nil {
		return nil
	}
	return e.Finish(ctx, *op)
}

// Start works on an operation beside the caller, who is counted in what Close waits for.
func (e *Engine) Start(op stacksync.Operation) *Task {
	t := &Task{Engine: e, Op: op, ended: make(chan struct{})}
	e.Running.Go(func() {
		defer close(t.ended)
		t.err = alive.Contain(t.work)
	})
	return t
}

// watch waits until an operation that another worker goes on with has ended, or ctx has.
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
		case op.State == stacksync.OperationDone && op.Kind != kind: // it was turned back
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

// ending is what the caller who has asked for an operation that has ended is told.
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

// Encode returns a payload as Operation.Data keeps it.
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

// Decode reads what an operation keeps.
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

// Unfinished returns the operations about some workspaces that run, or have stopped. They may be
// all there are to tell of a workspace that has no members yet.
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

// OfUser returns the ids of a user's operations of a kind that are in a state.
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
