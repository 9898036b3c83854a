package operation_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service/internal/operation"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

var errStore = errors.New("the store has failed")

// bent is a store whose next Update goes in another way than the caller knows.
type bent struct {
	stacksync.MetadataStore
	back  bool // rolled back after the closure has run
	rerun bool // and then run again
	lost  bool // saved, and the answer is lost
}

func (b *bent) Update(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
	now := *b
	b.back, b.rerun, b.lost = false, false, false
	if now.back || now.rerun {
		err := b.MetadataStore.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error { return cmp.Or(fn(ctx, tx), errStore) })
		if now.back || !errors.Is(err, errStore) {
			return err
		}
	}
	err := b.MetadataStore.Update(ctx, fn)
	if now.lost {
		err = errors.Join(err, errStore)
	}
	return err
}

// list is a payload whose parts are shared with a copy of it.
type list struct {
	Names []string       `json:"names"`
	Count map[string]int `json:"count"`
}

const (
	kind = stacksync.OperationKind("test")
	ada  = stacksync.UserID("ada")
)

// perform records an operation with a list of "a", and does its two steps.
func perform(t *testing.T, store *bent, first func(ctx context.Context, task *operation.Task) error) (*operation.Task, error) {
	ctx, closing := context.WithCancelCause(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() {
		closing(stacksync.ErrClosed)
		running.Wait()
	})
	e := &operation.Engine{Kernel: &session.Kernel{
		Store: store, Log: slog.New(slog.DiscardHandler), Clock: time.Now, MakeID: uuid.NewV7, Closing: ctx, Running: &running,
		Publish: func(...session.Hint) {},
	}}
	e.Plans = map[stacksync.OperationKind]operation.Plan{kind: {
		Steps:   []operation.Step{{Name: "first", Run: first}, {Name: "last", Run: func(context.Context, *operation.Task) error { return nil }}},
		Payload: func() any { return new(list) },
	}}
	var op stacksync.Operation
	require.NoError(t, e.Write(t.Context(), stacksync.LockParams{}, func(_ context.Context, w *session.Write) (err error) {
		op, err = e.Record(w, kind, ada, stacksync.WorkspaceID{}, stacksync.WorkspaceID{}, &list{[]string{"a"}, map[string]int{"a": 1}})
		return err
	}))
	task := e.Start(op)
	return task, task.Await(t.Context())
}

// grow adds to the list, also within its parts, and notes something in the operation.
func grow(ctx context.Context, task *operation.Task) error {
	return task.Change(ctx, stacksync.LockParams{}, func(context.Context, *session.Write) error {
		p := task.Payload.(*list)
		p.Names[0] = "z"
		p.Names = append(p.Names, "b")
		p.Count["a"]++
		task.Op.Error = "grown"
		return nil
	})
}

var (
	before = &list{[]string{"a"}, map[string]int{"a": 1}}
	after  = &list{[]string{"z", "b"}, map[string]int{"a": 2}}
)

// What a closure has changed of a payload, and of the parts that it points to, is gone with its transaction.
func TestChangeTakesBackThePayload(t *testing.T) {
	for name, c := range map[string]struct {
		bend func(*bent)
		err  error
		want *list // what the task has after the Change
	}{
		"saved":               {func(*bent) {}, nil, after},
		"rolled back":         {func(b *bent) { b.back = true }, errStore, before},
		"run again":           {func(b *bent) { b.rerun = true }, nil, after},
		"saved, answer lost":  {func(b *bent) { b.lost = true }, errStore, before},
		"run again, and lost": {func(b *bent) { b.rerun, b.lost = true, true }, errStore, before},
	} {
		t.Run(name, func(t *testing.T) {
			store := &bent{MetadataStore: memory.New(memory.Config{})}
			tries := 0
			task, err := perform(t, store, func(ctx context.Context, task *operation.Task) error {
				if tries++; tries > 1 { // begun anew with what is saved
					require.Equal(t, after, task.Payload)
					return nil
				}
				c.bend(store)
				require.ErrorIs(t, grow(ctx, task), c.err)
				require.Equal(t, c.want, task.Payload)
				require.Equal(t, c.want == after, task.Op.Error == "grown")
				if c.want == before {
					// The next transaction saves it for the first time, or finds that it is saved.
					return grow(ctx, task)
				}
				return nil
			})
			require.NoError(t, err)
			require.Equal(t, stacksync.OperationDone, task.Op.State)
			require.JSONEq(t, `{"names":["z","b"],"count":{"a":2}}`, task.Op.Data)
		})
	}
}
