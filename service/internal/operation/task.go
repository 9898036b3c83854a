package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Task is an operation that this process works on. Its steps run one after the other, in one
// goroutine.
type Task struct {
	*Engine
	// Op is the operation as it was last saved; inside a Change, as it will be saved.
	Op stacksync.Operation
	// Payload is the decoded Op.Data, of the type that Plan.Payload makes. Change saves it.
	Payload any
	// Result is what a step has found out for the caller, who reads it after Await. It is not
	// saved.
	Result any
	// Done and Total are the progress: how many items were dealt with, and how many there are.
	Done, Total atomic.Int64

	unread bool   // Data could not be read: it stays as it is
	loaded string // Payload as load has read it, encoded
	// mu is held by the transactions of the worker and of its beat, and by others while they read
	// Op.
	mu    sync.Mutex
	ended chan struct{}
	err   error // why the operation is not done; read after ended
}

// Await waits until the operation is done, undone or stopped, or ctx ends. Unless it is done, the
// error is an *OperationError. If another worker has claimed the operation, Await waits for that
// worker.
func (t *Task) Await(ctx context.Context) error {
	select {
	case <-t.ended:
		if errors.Is(t.err, errFenced) {
			t.Op, t.err = t.watch(ctx, t.Op)
			return t.err
		}
		if t.err != nil {
			return &stacksync.OperationError{Operation: t.Op, Err: t.err}
		}
		return t.ending(&t.Op)
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		return &stacksync.OperationError{Operation: t.Op, Err: context.Cause(ctx)}
	}
}

// Undone reports whether the task has ended and the operation is undone.
func (t *Task) Undone() bool {
	select {
	case <-t.ended:
		return t.Op.State == stacksync.OperationUndone
	default:
		return false
	}
}

// load reads the payload of the operation.
func (t *Task) load() (err error) {
	t.Payload = nil
	if p := t.Plans[t.Op.Kind].Payload; p != nil {
		t.Payload = p()
	}
	if err := Decode(&t.Op, t.Payload); err != nil {
		return err
	}
	t.loaded, err = Encode(t.Payload)
	return err
}

// save puts the payload into the operation's Data, if it has changed. Otherwise Data stays as it is,
// with fields that only a later version of the library knows.
func (t *Task) save() error {
	data, err := Encode(t.Payload)
	if err != nil || data == t.loaded {
		return err
	}
	t.Op.Data, t.loaded = data, data
	return nil
}

// work does step after step. A step that fails is tried again after a wait, unless the failure is
// Final.
func (t *Task) work() error {
	if _, known := t.Plans[t.Op.Kind]; !known {
		// A later version of the library has recorded it. When the lease ends, the worker of another
		// process can claim it, which may know the kind.
		t.Log.Warn("an operation is of a kind that this version does not know: it is left to others", "operation", t.Op.ID, "kind", t.Op.Kind)
		return fmt.Errorf("operation kind %q: %w", t.Op.Kind, errors.ErrUnsupported)
	}
	if err := t.load(); err != nil {
		t.unread = true
		return t.stop(err)
	}
	t.Done.Store(t.Op.Done) // the progress of an earlier worker
	ctx, cancel := context.WithCancelCause(t.Closing)
	defer cancel(nil)
	var beating sync.WaitGroup
	defer beating.Wait()
	defer cancel(nil)
	beating.Go(func() { t.beat(ctx, cancel) })

	for t.Op.State == stacksync.OperationRunning {
		err := alive.Contain(func() error { return t.do(ctx) })
		switch {
		case err == nil:
		case errors.Is(err, errAdvanced):
		case errors.Is(err, errFenced):
			return err
		case ctx.Err() != nil:
			t.release()
			return context.Cause(ctx)
		case Final(err):
			return t.stop(err)
		default:
			t.Log.Warn("a step of an operation failed and is tried again", "operation", t.Op.ID, "kind", t.Op.Kind, "step", t.Op.Step, "tries", t.Op.Tries+1, "error", err)
			if err := t.wait(ctx, err); err != nil && !errors.Is(err, errAdvanced) {
				return err
			}
		}
	}
	return nil
}

// do does the present step, and saves that the next step comes.
func (t *Task) do(ctx context.Context) error {
	plan := t.Plans[t.Op.Kind]
	if t.Op.Step == UndoStep && plan.Undo != nil {
		return plan.Undo(ctx, t)
	}
	for _, st := range plan.Steps {
		if st.Name != t.Op.Step {
			continue
		}
		if err := st.Run(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", st.Name, err)
		}
		if t.Op.Step != st.Name || t.Op.State != stacksync.OperationRunning {
			return nil // the step has gone on by itself
		}
		return t.Change(ctx, stacksync.LockParams{}, func(context.Context, *session.Write) error {
			t.Next()
			return nil
		})
	}
	return fmt.Errorf("%w: operation has an unknown step %q", stacksync.ErrInvalid, t.Op.Step)
}

// Next goes on to the next step, or makes the operation done after the last. It must be called in
// the closure of a Change, which saves it.
func (t *Task) Next() {
	steps := t.Plans[t.Op.Kind].Steps
	at := slices.IndexFunc(steps, func(s Step) bool { return s.Name == t.Op.Step })
	if at < 0 {
		return
	}
	t.Op.Tries, t.Op.Error = 0, ""
	t.Done.Store(0)
	t.Total.Store(0)
	if at+1 == len(steps) {
		t.end(stacksync.OperationDone)
		return
	}
	t.Op.Step = steps[at+1].Name
}

// Undo makes the operation undone. It must be called in the closure of a Change, which saves it.
func (t *Task) Undo() { t.end(stacksync.OperationUndone) }

func (t *Task) end(state stacksync.OperationState) {
	t.Op.State = state
	if forget := t.Plans[t.Op.Kind].Forget; forget != nil {
		forget(t.Payload)
	}
}

// Change runs f in a transaction of the operation, under lock and the lock of the operation. f may
// also change Op and Payload of the task, which are saved with the transaction; if it fails they
// are as before. f may run again. errFenced: another worker has claimed the operation. errAdvanced:
// the saved operation is further, and the task now has that.
func (t *Task) Change(ctx context.Context, lock stacksync.LockParams, f func(ctx context.Context, w *session.Write) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, dirty := t.Op, false
	var further *stacksync.Operation
	lock.Operations = append(slices.Clone(lock.Operations), t.Op.ID)
	// restore takes back what an earlier run of the closure has changed.
	restore := func() error {
		t.Op = before
		if !dirty || t.unread {
			return nil
		}
		dirty = false
		return t.load()
	}
	err := t.Write(ctx, lock, func(ctx context.Context, w *session.Write) error {
		further = nil
		if err := restore(); err != nil {
			return err
		}
		stored, err := t.stored(ctx, w)
		if err != nil {
			return err
		}
		if stored.State != before.State || stored.Step != before.Step || stored.Data != before.Data {
			further = &stored
			return errAdvanced
		}
		dirty = true
		if err := f(ctx, w); err != nil {
			return err
		}
		if !t.unread {
			if err := t.save(); err != nil {
				return err
			}
		}
		now := t.Now()
		t.Op.UpdatedAt, t.Op.Due = now, now.Add(lease)
		t.Op.Done, t.Op.Total = t.Done.Load(), t.Total.Load()
		if t.Op.State == stacksync.OperationDone && t.Plans[t.Op.Kind].Vanishes {
			_, err := w.Remove(ctx, stacksync.RemoveParams{Operations: []stacksync.OperationID{t.Op.ID}})
			return err
		}
		w.Rows.Operations = append(w.Rows.Operations, t.Op)
		return nil
	})
	if err != nil {
		if again := restore(); again != nil {
			err = errors.Join(err, again)
		}
	}
	if further != nil {
		t.Op = *further
		if err = t.load(); err == nil {
			err = errAdvanced
		}
	}
	return err
}

// beat renews the lease and saves the progress, every 2 seconds. If another worker has claimed the
// operation, it calls lost and ends.
func (t *Task) beat(ctx context.Context, lost context.CancelCauseFunc) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := alive.Contain(func() error {
			return t.report(ctx, t.Now().Add(lease))
		})
		if errors.Is(err, errFenced) {
			lost(errFenced)
			return
		}
	}
}

// Final reports whether an error says that the step can't succeed as things are: ErrInvalid,
// ErrForbidden or errors.ErrUnsupported.
func Final(err error) bool {
	return errors.Is(err, stacksync.ErrInvalid) || errors.Is(err, stacksync.ErrForbidden) || errors.Is(err, errors.ErrUnsupported)
}

// wait saves why a step has failed, and waits before the next try.
func (t *Task) wait(ctx context.Context, why error) error {
	d := longestWait
	if t.Op.Tries < 8 {
		d = time.Second << t.Op.Tries
	}
	err := t.Change(ctx, stacksync.LockParams{}, func(context.Context, *session.Write) error {
		t.Op.Tries, t.Op.Error = t.Op.Tries+1, textOf(why)
		return nil
	})
	if errors.Is(err, errFenced) || errors.Is(err, errAdvanced) {
		return err
	}
	if !alive.Sleep(ctx, alive.Spread(d)) {
		t.release()
		return context.Cause(ctx)
	}
	return nil
}

// stop saves that the operation has stopped, and why. It returns that reason.
func (t *Task) stop(why error) error {
	t.Log.Error("an operation has stopped: it needs somebody to resume or to cancel it", "operation", t.Op.ID, "kind", t.Op.Kind, "step", t.Op.Step, "error", why)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Closing), noteTimeout)
	defer cancel()
	replaced, err := t.replaces(ctx)
	if err == nil {
		err = t.Change(ctx, stacksync.LockParams{Operations: replaced}, func(ctx context.Context, w *session.Write) error {
			t.Op.State, t.Op.Error = stacksync.OperationStopped, textOf(why)
			stopped, err := w.Operations(ctx, stacksync.OperationsParams{IDs: replaced, State: stacksync.OperationStopped, Limit: max(1, len(replaced))})
			if err != nil || len(stopped.Operations) == 0 {
				return err
			}
			_, err = w.Remove(ctx, stacksync.RemoveParams{Operations: idsOf(stopped.Operations)})
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("%w (which could not be noted: %w)", why, err)
	}
	return why
}

// replaces returns the operations that have stopped before this one and whose work this one does:
// while the storage refuses, many calls may leave a stopped operation.
func (t *Task) replaces(ctx context.Context) (ids []stacksync.OperationID, err error) {
	asks := t.Plans[t.Op.Kind].Replaces
	if asks == nil {
		return nil, nil
	}
	p := asks(&t.Op)
	p.State, p.Limit = stacksync.OperationStopped, Most
	err = t.Store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		res, err := r.Operations(ctx, p)
		ids = idsOf(slices.DeleteFunc(res.Operations, func(o stacksync.Operation) bool { return o.Kind != t.Op.Kind || o.ID == t.Op.ID }))
		return err
	})
	return ids, err
}

func idsOf(ops []stacksync.Operation) (ids []stacksync.OperationID) {
	for i := range ops {
		ids = append(ids, ops[i].ID)
	}
	return ids
}

// textOf returns the text of an error in a form that every store can keep: a server may answer with
// any bytes.
func textOf(err error) string {
	text := strings.ReplaceAll(strings.ToValidUTF8(err.Error(), "�"), "\x00", "�")
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "")
	}
	return text
}

// release ends the lease now, so that another worker can claim the operation at once.
func (t *Task) release() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Closing), noteTimeout)
	defer cancel()
	_ = t.report(ctx, t.Now()) // if this fails, the lease ends by itself
}

// report saves the progress, and due as the end of the lease.
func (t *Task) report(ctx context.Context, due time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Write(ctx, stacksync.LockParams{Operations: []stacksync.OperationID{t.Op.ID}}, func(ctx context.Context, w *session.Write) error {
		op, err := t.stored(ctx, w)
		if err != nil || op.State != stacksync.OperationRunning {
			return err
		}
		op.Due, op.UpdatedAt, op.Done, op.Total = due, t.Now(), t.Done.Load(), t.Total.Load()
		w.Rows.Operations = append(w.Rows.Operations, op)
		return nil
	})
}

// stored reads the saved operation. errFenced: another worker has claimed it, or its row is gone.
// The row of an operation whose kind vanishes is gone because the operation is done.
func (t *Task) stored(ctx context.Context, w *session.Write) (stacksync.Operation, error) {
	res, err := w.Operations(ctx, stacksync.OperationsParams{IDs: []stacksync.OperationID{t.Op.ID}, Limit: 1})
	if err != nil {
		return stacksync.Operation{}, err
	}
	switch {
	// The row of a kind that vanishes is gone once the operation is done.
	case len(res.Operations) == 0 && t.Plans[t.Op.Kind].Vanishes:
		done := t.Op
		done.State = stacksync.OperationDone
		return done, nil
	case len(res.Operations) == 0 || res.Operations[0].Fence != t.Op.Fence:
		return stacksync.Operation{}, errFenced
	}
	return res.Operations[0], nil
}
