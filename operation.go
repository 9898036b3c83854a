package stacksync

import (
	"context"
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
	// operationTries bounds the wait between two tries of a step, which doubles from a second on.
	operationWait = 5 * time.Minute
	// operationsAtOnce bounds how many operations a process takes on that others have left.
	operationsAtOnce = 4
)

// The kinds of operation.
const (
	// OperationShare: ShareFolder.
	OperationShare OperationKind = "share"
	// OperationReturn: the folder of a workspace without other members returns to its owner.
	OperationReturn OperationKind = "return"
	// OperationAccess: the storage is told who reaches the container.
	OperationAccess OperationKind = "access"
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

// errFenced ends the work of who has lost an operation to somebody else.
var errFenced = errors.New("somebody else has taken on the operation")

// operationData is what an operation needs to be resumed.
type operationData struct {
	Folder  ItemID        `json:"folder,omitzero"`   // the one that is shared, or returns
	Members []Member      `json:"members,omitempty"` // whom to invite
	Moving  bool          `json:"moving,omitempty"`  // items may have moved: there is no way back
	Spaces  []WorkspaceID `json:"spaces,omitempty"`  // to remove with a user
	Left    []WorkspaceID `json:"left,omitempty"`    // that the user was a member of
}

// task is an operation that this process works on.
type task struct {
	service *Service
	Operation
	data operationData

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
		return []step{{"container", (*task).makeContainer}, {"copy", (*task).copyChunks}, {"move", (*task).moveItems}, {"access", (*task).setAccess}}
	case OperationReturn:
		return []step{{"access", (*task).setAccess}, {"container", (*task).makeContainer}, {"copy", (*task).copyChunks}, {"move", (*task).moveItems}, {"purge", (*task).purge}}
	case OperationAccess:
		return []step{{"access", (*task).setAccess}}
	case OperationDelete:
		return []step{{"account", (*task).deleteAccount}, {"access", (*task).setAccess}, {"purge", (*task).purge}, {"user", (*task).removeUser}}
	}
	return nil
}

// undo is the step that takes the place of all others when an operation is cancelled.
const undoStep = "undo"

// record saves a new operation with the transaction. Once that is committed, start runs it.
func (w *write) record(kind OperationKind, user UserID, workspace, source WorkspaceID, data operationData) (Operation, error) {
	id, err := w.service.cfg.NewID()
	if err != nil {
		return Operation{}, fmt.Errorf("make an id: %w", err)
	}
	text, err := json.Marshal(data)
	if err != nil {
		return Operation{}, fmt.Errorf("encode the operation: %w", err)
	}
	now := w.service.now()
	op := Operation{
		ID: OperationID{id}, Kind: kind, User: user, Workspace: workspace, Source: source, State: OperationRunning, Step: steps(kind)[0].name,
		CreatedAt: now, UpdatedAt: now, Data: string(text), Due: now.Add(operationLease), Fence: 1,
	}
	w.put.Operations = append(w.put.Operations, op)
	return op, nil
}

// finish works on an operation that this process has recorded, until it is done or ctx ends.
func (s *Service) finish(ctx context.Context, op Operation) error {
	return s.start(op).await(ctx)
}

// await waits until the operation is done, has stopped, or ctx ends.
func (t *task) await(ctx context.Context) error {
	select {
	case <-t.ended:
		if t.err != nil {
			return &OperationError{Operation: t.Operation, Err: t.err}
		}
		if t.State == OperationUndone {
			return &OperationError{Operation: t.Operation, Err: errors.New(t.Error)}
		}
		return nil
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		return &OperationError{Operation: t.Operation, Err: context.Cause(ctx)}
	}
}

// decode reads what the operation needs to be resumed.
func (o *Operation) decode() (data operationData, err error) {
	if err := json.Unmarshal([]byte(o.Data), &data); err != nil {
		return data, fmt.Errorf("read operation %v: %w", o.ID, err)
	}
	return data, nil
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

// work does step after step. A step that fails is tried again after a while, unless it can't ever succeed.
func (t *task) work() error {
	var err error
	if t.data, err = t.decode(); err != nil {
		return t.stop(err)
	}
	ctx, cancel := context.WithCancelCause(t.service.closing)
	defer cancel(nil)
	var beating sync.WaitGroup
	defer beating.Wait()
	defer cancel(nil)
	beating.Go(func() { t.beat(ctx, cancel) })

	for t.State == OperationRunning {
		err := contain(func() error { return t.do(ctx) })
		switch {
		case err == nil:
		case errors.Is(err, errFenced):
			return err
		case ctx.Err() != nil:
			t.release()
			return context.Cause(ctx)
		case final(err):
			return t.stop(err)
		default:
			t.service.log.Warn("a step of an operation failed and is tried again", "operation", t.ID, "kind", t.Kind, "step", t.Step, "tries", t.Tries+1, "error", err)
			if err := t.wait(ctx, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// do does the present step, and notes what comes next.
func (t *task) do(ctx context.Context) error {
	if t.Step == undoStep {
		return t.undo(ctx)
	}
	all := steps(t.Kind)
	for _, st := range all {
		if st.name != t.Step {
			continue
		}
		if err := st.run(t, ctx); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
		if t.Step != st.name || t.State != OperationRunning {
			return nil // it has gone on by itself
		}
		return t.change(ctx, LockParams{}, func(context.Context, *write) error {
			t.next()
			return nil
		})
	}
	return fmt.Errorf("%w: operation has an unknown step %q", ErrInvalid, t.Step)
}

// next goes on to the next step. What has changed is saved by the transaction that this is called in.
func (t *task) next() {
	all := steps(t.Kind)
	for i := range all {
		if all[i].name != t.Step {
			continue
		}
		t.Tries, t.Error = 0, ""
		t.done.Store(0)
		t.total.Store(0)
		if i+1 == len(all) {
			t.State = OperationDone
			return
		}
		t.Step = all[i+1].name
		return
	}
}

// change runs a transaction of the operation: f may change the task's Operation and data too, which are saved with it, or as they were
// before if the transaction fails.
func (t *task) change(ctx context.Context, lock LockParams, f func(ctx context.Context, w *write) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, data := t.Operation, t.data
	lock.Operations = []OperationID{t.ID}
	err := t.service.write(ctx, lock, func(ctx context.Context, w *write) error {
		t.Operation, t.data = before, data
		if _, err := t.stored(ctx, w); err != nil {
			return err
		}
		if err := f(ctx, w); err != nil {
			return err
		}
		text, err := json.Marshal(t.data)
		if err != nil {
			return fmt.Errorf("encode the operation: %w", err)
		}
		now := t.service.now()
		t.Data, t.UpdatedAt, t.Due = string(text), now, now.Add(operationLease)
		t.Done, t.Total = t.done.Load(), t.total.Load()
		w.put.Operations = append(w.put.Operations, t.Operation)
		return nil
	})
	if err != nil {
		t.Operation, t.data = before, data
	}
	return err
}

// beat keeps the lease, and shows the progress.
func (t *task) beat(ctx context.Context, lost context.CancelCauseFunc) {
	ticker := time.NewTicker(operationBeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := contain(func() error {
			return t.report(ctx, t.service.now().Add(operationLease))
		})
		if errors.Is(err, errFenced) {
			lost(errFenced)
			return
		}
	}
}

// final reports whether a step that has failed so can't succeed as things are.
func final(err error) bool {
	return errors.Is(err, ErrInvalid) || errors.Is(err, ErrForbidden) || errors.Is(err, errors.ErrUnsupported)
}

// wait notes why a step has failed, and waits before the next try.
func (t *task) wait(ctx context.Context, why error) error {
	d := operationWait
	if t.Tries < 8 {
		d = time.Second << t.Tries
	}
	err := t.change(ctx, LockParams{}, func(context.Context, *write) error {
		t.Tries, t.Error = t.Tries+1, why.Error()
		return nil
	})
	if errors.Is(err, errFenced) {
		return err
	}
	timer := time.NewTimer(spread(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		t.release()
		return context.Cause(ctx)
	}
}

// stop notes why the operation can't go on.
func (t *task) stop(why error) error {
	t.service.log.Error("an operation has stopped: it needs somebody to resume or to cancel it", "operation", t.ID, "kind", t.Kind, "step", t.Step, "error", why)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.service.closing), publishTimeout)
	defer cancel()
	err := t.change(ctx, LockParams{}, func(context.Context, *write) error {
		t.State, t.Error = OperationStopped, why.Error()
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w (which could not be noted: %w)", why, err)
	}
	return why
}

// release lets others take the operation on at once.
func (t *task) release() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.service.closing), publishTimeout)
	defer cancel()
	_ = t.report(ctx, t.service.now()) // where this fails, the lease ends by itself
}

// report saves the progress, and until when the operation is this worker's.
func (t *task) report(ctx context.Context, due time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.service.write(ctx, LockParams{Operations: []OperationID{t.ID}}, func(ctx context.Context, w *write) error {
		op, err := t.stored(ctx, w)
		if err != nil {
			return err
		}
		op.Due, op.UpdatedAt, op.Done, op.Total = due, t.service.now(), t.done.Load(), t.total.Load()
		w.put.Operations = append(w.put.Operations, op)
		return nil
	})
}

// stored reads the operation, and finds out whether it is still this worker's.
func (t *task) stored(ctx context.Context, w *write) (Operation, error) {
	res, err := w.Operations(ctx, OperationsParams{IDs: []OperationID{t.ID}, Limit: 1})
	if err != nil {
		return Operation{}, err
	}
	if len(res.Operations) == 0 || res.Operations[0].Fence != t.Fence {
		return Operation{}, errFenced
	}
	return res.Operations[0], nil
}

// operate takes on, once every RelayInterval, the operations that a crash has left, until the service closes.
func (s *Service) operate() {
	claiming := outage{log: s.log, what: "looking for operations to resume"}
	slots := make(chan struct{}, operationsAtOnce)
	for s.sleep(spread(s.cfg.RelayInterval)) {
		free := cap(slots) - len(slots)
		if free == 0 {
			continue
		}
		err := contain(func() error {
			claimed, err := s.claimOperations(s.closing, free)
			for _, op := range claimed {
				slots <- struct{}{}
				t := s.start(op)
				s.running.Go(func() {
					<-t.ended
					<-slots
				})
			}
			return err
		})
		if s.closing.Err() == nil {
			claiming.report(err)
		}
	}
}

func (s *Service) claimOperations(ctx context.Context, limit int) (claimed []Operation, err error) {
	ctx, end := s.observe(ctx, "operations")
	defer func() { end(Observation{Err: err, Items: len(claimed)}) }()
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		now := s.now()
		res, err := tx.ClaimOperations(ctx, ClaimOperationsParams{Now: now, Until: now.Add(operationLease), Limit: limit})
		claimed = res.Operations
		return err
	})
	return claimed, err
}
