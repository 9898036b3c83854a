package memory_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/testsize"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/metastore/metastoretest"
)

func TestMain(m *testing.M) {
	testsize.Rapid()
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	const reason = "each handle is a store of its own: nothing is kept outside of it"
	metastoretest.Run(t, metastoretest.Suite{
		Many: testsize.Of(2_000, 0),
		New: func(metastoretest.T) metastoretest.Opener {
			return func(metastoretest.T) stacksync.MetadataStore { return memory.New(memory.Config{}) }
		},
		Skips: map[string]string{
			metastoretest.SecondHandle:      reason,
			metastoretest.SecondHandleLocks: reason,
			metastoretest.Reopened:          reason,
		},
	})
}

func TestTxEndsWithItsClosure(t *testing.T) {
	store := memory.New(memory.Config{})
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	ctx := t.Context()
	row := stacksync.User{ID: "ann"}

	var tx stacksync.Tx
	require.NoError(t, store.Update(ctx, func(_ context.Context, open stacksync.Tx) error {
		tx = open
		return nil
	}))
	_, err := tx.Put(ctx, stacksync.PutParams{Users: []stacksync.User{row}})
	require.ErrorContains(t, err, "after its closure", "a late Put must not reach what readers share")
	_, err = tx.Users(ctx, stacksync.UsersParams{})
	require.ErrorContains(t, err, "after its closure")
	require.NoError(t, store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		got, err := r.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{row.ID}})
		require.Empty(t, got.Users)
		return err
	}))
}

func TestViewIsASnapshot(t *testing.T) {
	store := memory.New(memory.Config{})
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	ctx := t.Context()
	users := func(r stacksync.Reader) []stacksync.User {
		got, err := r.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{"ann", "bob"}})
		require.NoError(t, err)
		return got.Users
	}
	require.NoError(t, store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		for _, id := range []stacksync.UserID{"ann", "bob"} {
			require.NoError(t, store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
				_, err := tx.Put(ctx, stacksync.PutParams{Users: []stacksync.User{{ID: id}}})
				return err
			}), "an Update waits for no View")
			require.Empty(t, users(r), "a View sees what was committed when it began")
		}
		return nil
	}))
	require.NoError(t, store.View(ctx, func(_ context.Context, r stacksync.Reader) error {
		require.Len(t, users(r), 2)
		return nil
	}))
}

// TestCloseWakesWaitingUpdates closes the store while one Update runs and others wait for it.
func TestCloseWakesWaitingUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New(memory.Config{})
		ended := make(chan error, 3)
		closed := make(chan error, 1)
		err := store.Update(t.Context(), func(ctx context.Context, _ stacksync.Tx) error {
			for range cap(ended) {
				go func() {
					ended <- store.Update(ctx, func(context.Context, stacksync.Tx) error { return nil })
				}()
			}
			synctest.Wait() // all wait now
			go func() { closed <- store.Close() }()
			for range cap(ended) {
				require.ErrorIs(t, <-ended, stacksync.ErrClosed)
			}
			synctest.Wait()
			require.Empty(t, closed, "Close waits for the closure that runs")
			return nil
		})
		require.NoError(t, err)
		require.NoError(t, <-closed)
	})
}
