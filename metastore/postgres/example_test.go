package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/postgres"
	"github.com/stacksync/stacksync-go/service"
)

// A store with connections of its own, in the schema "files" of a database.
func Example() {
	store, err := postgres.Open(context.Background(), postgres.Config{DSN: "postgres://files:secret@db.example/app", Schema: "files"})
	if err != nil {
		log.Fatal(err)
	}
	svc, err := service.New(store, service.Config{})
	if err != nil {
		log.Fatal(err)
	}
	// svc is what the host's transport calls. At the end:
	if err := errors.Join(svc.Close(), store.Close()); err != nil {
		log.Fatal(err)
	}
}

// A row of the host's and a commit land together or not at all.
func ExampleStore_Tx() {
	ctx := context.Background()
	db := bun.NewDB(sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN("postgres://app:secret@db.example/app?sslmode=verify-full"))), pgdialect.New())
	store, err := postgres.Open(ctx, postgres.Config{Bun: db})
	if err != nil {
		log.Fatal(err)
	}
	svc, err := service.New(store, service.Config{})
	if err != nil {
		log.Fatal(err)
	}

	var request stacksync.CommitRequest // from a client
	var res service.CommitInResult
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO invoices (number, item) VALUES (?, ?)", 17, request.Proposals[0].Item); err != nil {
			return err
		}
		var err error
		if res, err = svc.CommitIn(ctx, store.Tx(tx.Tx), request); err != nil {
			return err // PostgreSQL would end the transaction as a rollback, and the driver would not say so
		}
		return res.Outcomes[0].Err // a conflict takes the invoice back
	})
	if err != nil {
		log.Fatal(err)
	}
	res.Committed() // tells followers
	fmt.Println("saved as revision", res.Revision)
}
