package service

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
)

const (
	// operationLease is how long nobody else takes on an operation whose worker does not report. It reports each operationBeat.
	operationLease = 30 * time.Second
	operationBeat  = 2 * time.Second
	// operationLook is how often a caller looks how far another worker is.
	operationLook = 500 * time.Millisecond
	// operationWait is the longest wait between two tries of a step, which doubles from a second on.
	operationWait = 5 * time.Minute
	// operationsAtOnce bounds how many operations a process takes on that others have left.
	operationsAtOnce = 4
	// maxOperationData and maxOperationError are what stores promise to keep, in bytes.
	maxOperationData  = 1 << 20
	maxOperationError = 4 << 10
)

var (
	// errFenced ends the work of who has lost an operation to somebody else.
	errFenced = errors.New("another worker goes on with the operation")
	// errAdvanced says that the operation is further than its worker knew: a transaction that seemed to have failed was saved.
	errAdvanced = errors.New("the operation is further")
)

// operationData is what an operation needs to be resumed.
type operationData struct {
	Folder  stacksync.ItemID   `json:"folder,omitzero"`   // the one that is shared, or returns
	Members []stacksync.Member `json:"members,omitempty"` // whom to invite
	// Homes are the default workspaces of those: who has one of their ids later is somebody else.
	Homes  map[stacksync.UserID]stacksync.WorkspaceID `json:"homes,omitempty"`
	Moving bool                                       `json:"moving,omitempty"` // items may have moved: there is no way back
	Spaces []stacksync.WorkspaceID                    `json:"spaces,omitempty"` // to remove with a user
	Left   []stacksync.WorkspaceID                    `json:"left,omitempty"`   // that the user was a member of
	Items  int64                                      `json:"items,omitempty"`  // how many there were to move
	Secret []byte                                     `json:"secret,omitempty"` // see mover.otherID
	Home   stacksync.WorkspaceID                      `json:"home,omitzero"`    // the default workspace of the user whose account it is about
}

// task is an operation that this process works on.
type task struct {
	service *Service
	stacksync.Operation
	data   operationData
	unread bool // Data could not be read: it stays as it is
	// What an OperationAccount has found out; read after ended.
	login    string
	unlisted []stacksync.WorkspaceID

	mu          sync.Mutex // held by the transactions of the worker and of its beat, and where others read Operation
	done, total atomic.Int64
	ended       chan struct{}
	err         error // why it is not done; read after ended
}

// step is one step of an operation. run may be called again after it has failed, or after it has succeeded and the process crashed. It
// either leaves it to the task to go on to the next step, or does so in a transaction of its own, by advance.
type step struct {
	name string
	run  func(t *task, ctx context.Context) error
}

// steps are those of a kind of operation, in order.
func steps(kind stacksync.OperationKind) []step {
	switch kind {
	case stacksync.OperationShare:
		return []step{{"container", dropping((*task).makeContainer)}, {"copy", dropping((*task).copyChunks)}, {moveStep, (*task).moveItems}, {accessStep, (*task).setAccess}}
	case stacksync.OperationReturn:
		return []step{{accessStep, (*task).setAccess}, {"container", (*task).makeContainer}, {"copy", (*task).copyChunks}, {moveStep, (*task).moveItems}, {"purge", (*task).purge}}
	case stacksync.OperationAccess:
		return []step{{accessStep, (*task).setAccess}}
	case stacksync.OperationKey:
		return []step{{"key", (*task).newKey}}
	case stacksync.OperationAccount:
		return []step{{"key", (*task).newKey}, {accessStep, (*task).listAccount}}
	case stacksync.OperationDelete:
		return []step{{"account", (*task).deleteAccount}, {accessStep, (*task).setAccess}, {"purge", (*task).purge}, {"user", (*task).removeUser}}
	}
	return nil
}

const (
	// moveStep is the one in which items move.
	moveStep = "move"
	// accessStep is the one that tells the storage who reaches containers.
	accessStep = "access"
)

// undo is the step that takes the place of all others when an operation is cancelled.
const undoStep = "undo"

// record saves a new operation with the transaction. Once that is committed, start runs it.
func (w *write) record(kind stacksync.OperationKind, user stacksync.UserID, workspace, source stacksync.WorkspaceID, data operationData) (stacksync.Operation, error) {
	id, err := w.service.cfg.NewID()
	if err != nil {
		return stacksync.Operation{}, fmt.Errorf("make an id: %w", err)
	}
	text, err := data.encode()
	if err != nil {
		return stacksync.Operation{}, err
	}
	now := w.service.now()
	op := stacksync.Operation{
		ID: stacksync.OperationID{UUID: id}, Kind: kind, User: user, Workspace: workspace, Source: source, State: stacksync.OperationRunning, Step: steps(kind)[0].name,
		CreatedAt: now, UpdatedAt: now, Data: text, Due: now.Add(operationLease), Fence: 1,
	}
	w.put.Operations = append(w.put.Operations, op)
	return op, nil
}

// finish works on operations that this process has recorded, until they are done or ctx ends. It returns the first error.
func (s *Service) finish(ctx context.Context, ops ...stacksync.Operation) error {
	tasks := make([]*task, len(ops))
	for i := range ops {
		tasks[i] = s.start(ops[i])
	}
	for _, t := range tasks {
		if err := t.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// await waits until the operation is done, has stopped, or ctx ends.
func (t *task) await(ctx context.Context) error {
	select {
	case <-t.ended:
		if errors.Is(t.err, errFenced) {
			t.Operation, t.err = t.service.watch(ctx, t.Operation)
			return t.err
		}
		if t.err != nil {
			return &stacksync.OperationError{Operation: t.Operation, Err: t.err}
		}
		return ending(&t.Operation)
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		return &stacksync.OperationError{Operation: t.Operation, Err: context.Cause(ctx)}
	}
}

// watch waits until an operation that another worker goes on with has ended, or ctx has.
func (s *Service) watch(ctx context.Context, op stacksync.Operation) (stacksync.Operation, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.closing, func() { cancel(stacksync.ErrClosed) })()
	ticker := time.NewTicker(operationLook)
	defer ticker.Stop()
	kind := op.Kind
	for {
		err := s.store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
			now, err := readOperation(ctx, r, op.ID)
			if errors.Is(err, stacksync.ErrOperationNotFound) && vanishes(&op) {
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
			return op, ending(&op)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// ending is what who has asked for an operation that has ended is told.
func ending(o *stacksync.Operation) error {
	var err error
	switch {
	case o.State == stacksync.OperationStopped:
		err = errors.New(o.Error)
	case o.State == stacksync.OperationUndone && o.Error == errFolderGone.Error():
		err = fmt.Errorf("%w: %w", stacksync.ErrUndone, errFolderGone)
	case o.State == stacksync.OperationUndone:
		err = stacksync.ErrUndone
	default:
		return nil
	}
	return &stacksync.OperationError{Operation: *o, Err: err}
}

// newSecret makes what an operation derives ids from that nobody is to foretell.
func newSecret() ([]byte, error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("make a secret: %w", err)
	}
	return secret, nil
}

func (d operationData) encode() (string, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("encode the operation: %w", err)
	}
	if len(text) > maxOperationData {
		return "", fmt.Errorf("%w: the operation takes %d bytes, of %d at most: invite fewer at once", stacksync.ErrLimit, len(text), maxOperationData)
	}
	return string(text), nil
}

// decode reads what the operation needs to be resumed.
func decode(o *stacksync.Operation) (data operationData, err error) {
	if err := json.Unmarshal([]byte(o.Data), &data); err != nil {
		return data, fmt.Errorf("read operation %v: %w", o.ID, err)
	}
	return data, nil
}

// unfinished returns the operations about some workspaces that run, or have stopped. They may be all there are to tell of a workspace that
// has no members yet.
func (w *write) unfinished(ctx context.Context, ids ...stacksync.WorkspaceID) ([]stacksync.Operation, error) {
	var all []stacksync.Operation
	for _, state := range []stacksync.OperationState{stacksync.OperationRunning, stacksync.OperationStopped} {
		res, err := w.Operations(ctx, stacksync.OperationsParams{Workspaces: ids, State: state, Limit: maxOperations})
		if err != nil {
			return nil, err
		}
		all = append(all, res.Operations...)
	}
	return all, nil
}

// start works on an operation beside the caller, who is counted in what Close waits for.
func (s *Service) start(op stacksync.Operation) *task {
	t := &task{service: s, Operation: op, ended: make(chan struct{})}
	s.running.Go(func() {
		defer close(t.ended)
		t.err = alive.Contain(t.work)
	})
	return t
}

// vanishes reports whether nothing is kept of an operation that is done: of those there are many, and nothing to see.
func vanishes(o *stacksync.Operation) bool {
	return o.Kind == stacksync.OperationAccess || o.Kind == stacksync.OperationKey || o.Kind == stacksync.OperationAccount
}
