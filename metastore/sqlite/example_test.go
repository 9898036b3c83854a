package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/sqlite"
)

func Example() {
	dir, err := os.MkdirTemp("", "stacksync")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	ctx := context.Background()
	store, err := sqlite.Open(ctx, filepath.Join(dir, "metadata.db"), sqlite.Config{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = store.Close() }()

	// A host hands the store to service.New. This is what the service does with it:
	err = store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		_, err := tx.Put(ctx, stacksync.PutParams{Users: []stacksync.User{{ID: "ada", QuotaLimit: 5 << 30}}})
		return err
	})
	if err != nil {
		panic(err)
	}
	err = store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		res, err := r.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{"ada"}})
		for _, u := range res.Users {
			fmt.Println(u.ID, "has", u.QuotaLimit, "bytes")
		}
		return err
	})
	if err != nil {
		panic(err)
	}
	// Output: ada has 5368709120 bytes
}
