package memory_test

import (
	"context"
	"fmt"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
)

// A host hands the store to service.New and calls only the service. This is what the service does with it.
func Example() {
	ctx := context.Background()
	store := memory.New(memory.Config{})
	defer func() { _ = store.Close() }()

	err := store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		if _, err := tx.Lock(ctx, stacksync.LockParams{Users: []stacksync.UserID{"ann"}}); err != nil {
			return err
		}
		_, err := tx.Put(ctx, stacksync.PutParams{Users: []stacksync.User{{ID: "ann", QuotaLimit: 2 << 30}}})
		return err
	})
	if err != nil {
		fmt.Println("nothing was saved:", err)
		return
	}

	err = store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		found, err := r.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{"ann", "nobody"}})
		for _, u := range found.Users {
			fmt.Printf("%s may store %d bytes\n", u.ID, u.QuotaLimit)
		}
		return err
	})
	if err != nil {
		fmt.Println("can't read:", err)
	}
	// Output: ann may store 2147483648 bytes
}
