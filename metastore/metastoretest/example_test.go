package metastoretest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/metastore/metastoretest"
)

// A store of your own is checked by one test.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestStore(t *testing.T)
		metastoretest.Run(t, metastoretest.Suite{
			New: func(t metastoretest.T) metastoretest.Opener {
				// Make a database for one check here: a file in t.TempDir(), or a schema that t.Cleanup drops.
				return func(t metastoretest.T) stacksync.MetadataStore {
					return memory.New(memory.Config{}) // open a handle on it here
				}
			},
			Skips: map[string]string{metastoretest.Reopened: "kept in memory"},
		})
	}
}

// A caller that hears of an error after the commit must not take it for a failure: it asks again.
func ExampleFaulty() {
	ctx := context.Background()
	connectionLost := errors.New("connection lost")
	store := metastoretest.Faulty(memory.New(memory.Config{}), metastoretest.FailNth(1, connectionLost, metastoretest.AfterCommit))
	defer func() { _ = store.Close() }()

	err := store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		_, err := tx.Put(ctx, stacksync.PutParams{Users: []stacksync.User{{ID: "ann"}}})
		return err
	})
	fmt.Println("error:", err)

	_ = store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		got, err := r.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{"ann"}})
		fmt.Println("users saved:", len(got.Users))
		return err
	})
	// Output:
	// error: can't tell whether it was saved: connection lost
	// users saved: 1
}
