package stacksync

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
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

// The kinds of operation.
const (
	// OperationShare: ShareFolder.
	OperationShare OperationKind = "share"
	// OperationReturn: the folder of a workspace without other members returns to its owner.
	OperationReturn OperationKind = "return"
	// OperationAccess: the storage is told who reaches the container.
	OperationAccess OperationKind = "access"
	// OperationKey: the storage account of a user gets another secret, as a device was revoked.
	OperationKey OperationKind = "key"
	// OperationAccount: StorageAccount.
	OperationAccount OperationKind = "account"
	// OperationDelete: DeleteUser.
	OperationDelete OperationKind = "delete"
)

// OperationError says that an operation is not done.
type OperationError struct {
	Operation Operation // as it was last seen
	// Err is ctx's error, where the operation goes on without its caller, and otherwise what has stopped it.
	Err error
}

func (e *OperationError) Error() string {
	return fmt.Sprintf("operation %v (%s) is not done, at step %q: %v", e.Operation.ID, e.Operation.Kind, e.Operation.Step, e.Err)
}

// Unwrap returns the reason.
func (e *OperationError) Unwrap() error { return e.Err }

var (
	// errFenced ends the work of who has lost an operation to somebody else.
	errFenced = errors.New("another worker goes on with the operation")
	// errAdvanced says that the operation is further than its worker knew: a transaction that seemed to have failed was saved.
	errAdvanced = errors.New("the operation is further")
)

// operationData is what an operation needs to be resumed.
type operationData struct {
	Folder  ItemID   `json:"folder,omitzero"`   // the one that is shared, or returns
	Members []Member `json:"members,omitempty"` // whom to invite
	// Homes are the default workspaces of those: who has one of their ids later is somebody else.
	Homes  map[UserID]WorkspaceID `json:"homes,omitempty"`
	Moving bool                   `json:"moving,omitempty"` // items may have moved: there is no way back
	Spaces []WorkspaceID          `json:"spaces,omitempty"` // to remove with a user
	Left   []WorkspaceID          `json:"left,omitempty"`   // that the user was a member of
	Items  int64                  `json:"items,omitempty"`  // how many there were to move
	Secret []byte                 `json:"secret,omitempty"` // see mover.otherID
	Home   WorkspaceID            `json:"home,omitzero"`    // the default workspace of the user whose account it is about
}

// task is an operation that this process works on.
type task struct {
	service *Service
	Operation
	data   operationData
	unread bool // Data could not be read: it stays as it is
	// What an OperationAccount has found out; read after ended.
	login    string
	unlisted []WorkspaceID

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
func steps(kind OperationKind) []step {
	switch kind {
	case OperationShare:
		return []step{{"container", dropping((*task).makeContainer)}, {"copy", dropping((*task).copyChunks)}, {moveStep, (*task).moveItems}, {accessStep, (*task).setAccess}}
	case OperationReturn:
		return []step{{accessStep, (*task).setAccess}, {"container", (*task).makeContainer}, {"copy", (*task).copyChunks}, {moveStep, (*task).moveItems}, {"purge", (*task).purge}}
	case OperationAccess:
		return []step{{accessStep, (*task).setAccess}}
	case OperationKey:
		return []step{{"key", (*task).newKey}}
	case OperationAccount:
		return []step{{"key", (*task).newKey}, {accessStep, (*task).listAccount}}
	case OperationDelete:
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
func (w *write) record(kind OperationKind, user UserID, workspace, source WorkspaceID, data operationData) (Operation, error) {
	id, err := w.service.cfg.NewID()
	if err != nil {
		return Operation{}, fmt.Errorf("make an id: %w", err)
	}
	text, err := data.encode()
	if err != nil {
		return Operation{}, err
	}
	now := w.service.now()
	op := Operation{
		ID: OperationID{id}, Kind: kind, User: user, Workspace: workspace, Source: source, State: OperationRunning, Step: steps(kind)[0].name,
		CreatedAt: now, UpdatedAt: now, Data: text, Due: now.Add(operationLease), Fence: 1,
	}
	w.put.Operations = append(w.put.Operations, op)
	return op, nil
}

// finish works on operations that this process has recorded, until they are done or ctx ends. It returns the first error.
func (s *Service) finish(ctx context.Context, ops ...Operation) error {
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
			return &OperationError{Operation: t.Operation, Err: t.err}
		}
		return t.ending()
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		return &OperationError{Operation: t.Operation, Err: context.Cause(ctx)}
	}
}

// watch waits until an operation that another worker goes on with has ended, or ctx has.
func (s *Service) watch(ctx context.Context, op Operation) (Operation, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.closing, func() { cancel(ErrClosed) })()
	ticker := time.NewTicker(operationLook)
	defer ticker.Stop()
	kind := op.Kind
	for {
		err := s.store.View(ctx, func(ctx context.Context, r Reader) error {
			now, err := readOperation(ctx, r, op.ID)
			if errors.Is(err, ErrOperationNotFound) && op.vanishes() {
				op.State, err = OperationDone, nil
			} else if err == nil {
				op = now
			}
			return err
		})
		switch {
		case ctx.Err() != nil:
			return op, &OperationError{Operation: op, Err: context.Cause(ctx)}
		case err != nil:
			return op, &OperationError{Operation: op, Err: err}
		case op.State == OperationDone && op.Kind != kind: // it was turned back
			return op, &OperationError{Operation: op, Err: ErrUndone}
		case op.State != OperationRunning:
			return op, op.ending()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// ending is what who has asked for an operation that has ended is told.
func (o *Operation) ending() error {
	var err error
	switch {
	case o.State == OperationStopped:
		err = errors.New(o.Error)
	case o.State == OperationUndone && o.Error == errFolderGone.Error():
		err = fmt.Errorf("%w: %w", ErrUndone, errFolderGone)
	case o.State == OperationUndone:
		err = ErrUndone
	default:
		return nil
	}
	return &OperationError{Operation: *o, Err: err}
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
		return "", fmt.Errorf("%w: the operation takes %d bytes, of %d at most: invite fewer at once", ErrLimit, len(text), maxOperationData)
	}
	return string(text), nil
}

// decode reads what the operation needs to be resumed.
func (o *Operation) decode() (data operationData, err error) {
	if err := json.Unmarshal([]byte(o.Data), &data); err != nil {
		return data, fmt.Errorf("read operation %v: %w", o.ID, err)
	}
	return data, nil
}

// unfinished returns the operations about some workspaces that run, or have stopped. They may be all there are to tell of a workspace that
// has no members yet.
func (w *write) unfinished(ctx context.Context, ids ...WorkspaceID) ([]Operation, error) {
	var all []Operation
	for _, state := range []OperationState{OperationRunning, OperationStopped} {
		res, err := w.Operations(ctx, OperationsParams{Workspaces: ids, State: state, Limit: maxOperations})
		if err != nil {
			return nil, err
		}
		all = append(all, res.Operations...)
	}
	return all, nil
}

// start works on an operation beside the caller, who is counted in what Close waits for.
func (s *Service) start(op Operation) *task {
	t := &task{service: s, Operation: op, ended: make(chan struct{})}
	s.running.Go(func() {
		defer close(t.ended)
		t.err = contain(t.work)
	})
	return t
}
