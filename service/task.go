package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
)

// work does step after step. A step that fails is tried again after a while, unless it can't ever succeed.
func (t *task) work() error {
	var err error
	if t.data, err = decode(&t.Operation); err != nil {
		t.unread = true
		return t.stop(err)
	}
	if t.Step == moveStep {
		t.done.Store(t.Done) // by others before
	}
	ctx, cancel := context.WithCancelCause(t.service.closing)
	defer cancel(nil)
	var beating sync.WaitGroup
	defer beating.Wait()
	defer cancel(nil)
	beating.Go(func() { t.beat(ctx, cancel) })

	for t.State == stacksync.OperationRunning {
		err := alive.Contain(func() error { return t.do(ctx) })
		switch {
		case err == nil:
		case errors.Is(err, errAdvanced):
		case errors.Is(err, errFenced):
			return err
		case ctx.Err() != nil:
			t.release()
			return context.Cause(ctx)
		case final(err):
			return t.stop(err)
		default:
			t.service.log.Warn("a step of an operation failed and is tried again", "operation", t.ID, "kind", t.Kind, "step", t.Step, "tries", t.Tries+1, "error", err)
			if err := t.wait(ctx, err); err != nil && !errors.Is(err, errAdvanced) {
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
		if t.Step != st.name || t.State != stacksync.OperationRunning {
			return nil // it has gone on by itself
		}
		return t.change(ctx, stacksync.LockParams{}, func(context.Context, *write) error {
			t.next()
			return nil
		})
	}
	return fmt.Errorf("%w: operation has an unknown step %q", stacksync.ErrInvalid, t.Step)
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
			t.State = stacksync.OperationDone
			t.data.Members, t.data.Homes = nil, nil // with their sealed keys, which need not be kept twice
			return
		}
		t.Step = all[i+1].name
		return
	}
}

// change runs a transaction of the operation: f may change the task's Operation and data too, which are saved with it, or as they were
// before if the transaction fails.
func (t *task) change(ctx context.Context, lock stacksync.LockParams, f func(ctx context.Context, w *write) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, data := t.Operation, t.data
	var further *stacksync.Operation
	lock.Operations = append(slices.Clone(lock.Operations), t.ID)
	err := t.service.write(ctx, lock, func(ctx context.Context, w *write) error {
		t.Operation, t.data, further = before, data, nil
		stored, err := t.stored(ctx, w)
		if err != nil {
			return err
		}
		if stored.State != before.State || stored.Step != before.Step || stored.Data != before.Data {
			further = &stored
			return errAdvanced
		}
		if err := f(ctx, w); err != nil {
			return err
		}
		if !t.unread {
			if t.Data, err = t.data.encode(); err != nil {
				return err
			}
		}
		now := t.service.now()
		t.UpdatedAt, t.Due = now, now.Add(operationLease)
		t.Done, t.Total = t.done.Load(), t.total.Load()
		if t.State == stacksync.OperationDone && vanishes(&t.Operation) {
			_, err := w.Remove(ctx, stacksync.RemoveParams{Operations: []stacksync.OperationID{t.ID}})
			return err
		}
		w.put.Operations = append(w.put.Operations, t.Operation)
		return nil
	})
	if err != nil {
		t.Operation, t.data = before, data
	}
	if further != nil {
		t.Operation = *further
		if t.data, err = decode(&t.Operation); err == nil {
			err = errAdvanced
		}
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
		err := alive.Contain(func() error {
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
	return errors.Is(err, stacksync.ErrInvalid) || errors.Is(err, stacksync.ErrForbidden) || errors.Is(err, errors.ErrUnsupported)
}

// wait notes why a step has failed, and waits before the next try.
func (t *task) wait(ctx context.Context, why error) error {
	d := operationWait
	if t.Tries < 8 {
		d = time.Second << t.Tries
	}
	err := t.change(ctx, stacksync.LockParams{}, func(context.Context, *write) error {
		t.Tries, t.Error = t.Tries+1, textOf(why)
		return nil
	})
	if errors.Is(err, errFenced) || errors.Is(err, errAdvanced) {
		return err
	}
	timer := time.NewTimer(alive.Spread(d))
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
	replaced, err := t.replaces(ctx)
	if err == nil {
		err = t.change(ctx, stacksync.LockParams{Operations: replaced}, func(ctx context.Context, w *write) error {
			t.State, t.Error = stacksync.OperationStopped, textOf(why)
			stopped, err := w.Operations(ctx, stacksync.OperationsParams{IDs: replaced, State: stacksync.OperationStopped, Limit: max(1, len(replaced))})
			if err != nil || len(stopped.Operations) == 0 {
				return err
			}
			_, err = w.Remove(ctx, stacksync.RemoveParams{Operations: operationIDs(stopped.Operations)})
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("%w (which could not be noted: %w)", why, err)
	}
	return why
}

// replaces returns the operations that have stopped before this one, and that it does all the work of: many calls may come to nothing while
// the storage refuses.
func (t *task) replaces(ctx context.Context) (ids []stacksync.OperationID, err error) {
	p := stacksync.OperationsParams{State: stacksync.OperationStopped, Limit: maxOperations}
	switch t.Kind {
	case stacksync.OperationAccess:
		p.Workspaces = []stacksync.WorkspaceID{t.Workspace}
	case stacksync.OperationKey:
		p.Users = []stacksync.UserID{t.User}
	default:
		return nil, nil
	}
	err = t.service.store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		res, err := r.Operations(ctx, p)
		ids = operationIDs(slices.DeleteFunc(res.Operations, func(o stacksync.Operation) bool { return o.Kind != t.Kind || o.ID == t.ID }))
		return err
	})
	return ids, err
}

func operationIDs(ops []stacksync.Operation) (ids []stacksync.OperationID) {
	for i := range ops {
		ids = append(ids, ops[i].ID)
	}
	return ids
}

// textOf is what an error says, as every store can keep it: a server may answer anything.
func textOf(err error) string {
	text := strings.ReplaceAll(strings.ToValidUTF8(err.Error(), "�"), "\x00", "�")
	if len(text) > maxOperationError {
		text = strings.ToValidUTF8(text[:maxOperationError], "")
	}
	return text
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
	return t.service.write(ctx, stacksync.LockParams{Operations: []stacksync.OperationID{t.ID}}, func(ctx context.Context, w *write) error {
		op, err := t.stored(ctx, w)
		if err != nil || op.State != stacksync.OperationRunning {
			return err
		}
		op.Due, op.UpdatedAt, op.Done, op.Total = due, t.service.now(), t.done.Load(), t.total.Load()
		w.put.Operations = append(w.put.Operations, op)
		return nil
	})
}

// stored reads the operation, and finds out whether it is still this worker's.
func (t *task) stored(ctx context.Context, w *write) (stacksync.Operation, error) {
	res, err := w.Operations(ctx, stacksync.OperationsParams{IDs: []stacksync.OperationID{t.ID}, Limit: 1})
	if err != nil {
		return stacksync.Operation{}, err
	}
	switch {
	case len(res.Operations) == 0 && vanishes(&t.Operation): // as it does when it is done
		done := t.Operation
		done.State = stacksync.OperationDone
		return done, nil
	case len(res.Operations) == 0 || res.Operations[0].Fence != t.Fence:
		return stacksync.Operation{}, errFenced
	}
	return res.Operations[0], nil
}
