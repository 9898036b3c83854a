package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/notify/postgres"
)

func Example() {
	ctx := context.Background()
	notifier, err := postgres.Open(ctx, postgres.Config{
		DSN:    os.Getenv("DATABASE_URL"), // postgres://user:password@host/database: TLS is used, and verified
		Logger: slog.Default(),
	})
	if err != nil {
		panic(err)
	}
	defer notifier.Close()

	sub, err := notifier.Subscribe(ctx, stacksync.SubscribeParams{Topics: []stacksync.Topic{"workspace/photos"}})
	if err != nil {
		panic(err)
	}
	defer sub.Close()
	for {
		hint, err := sub.Next(ctx) // from this process or any other on the same database
		if err != nil {
			panic(err)
		}
		fmt.Printf("look at %s, which is at revision %d\n", hint.Topic, hint.Revision)
	}
}
