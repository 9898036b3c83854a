// Postgres shows two processes at work on one database: each has a service of its own on the same PostgreSQL schema, and a device
// that keeps a folder equal with the other's. What is committed through one is seen through the other, live.
//
//	go run ./examples/postgres -dsn 'postgres://user:password@host:port/database?sslmode=disable'
//
// The DSN may also be in STACKSYNC_POSTGRES_DSN, where other users of the machine can't see it. The program makes a schema and temporary
// folders, and removes them at the end. It exits with 1, and lists what differs, if the two folders are not equal then.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/stacksync/stacksync-go/examples/internal/story"
)

// envDSN names the environment variable of the DSN. Service processes get it there too, not as an argument that others could read.
const envDSN = "STACKSYNC_POSTGRES_DSN"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "postgres example:", err)
		os.Exit(1)
	}
}

var errNoDSN = errors.New("no database: name one with -dsn 'postgres://user:password@host:port/database', or in " + envDSN +
	" (with ?sslmode=disable for a server without TLS)")

func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) (err error) {
	if len(args) > 0 && args[0] == serviceCommand {
		return runService(ctx, args[1:], stdin, stdout)
	}
	flags := flag.NewFlagSet("postgres", flag.ContinueOnError)
	dsn := flags.String("dsn", "", "the `URL` of the database (default: what is in "+envDSN+")")
	schema := flags.String("schema", "", "the schema to make; it must not exist (default: a new name)")
	keep := flags.Bool("keep", false, "leave the schema and the folders to look at")
	verbose := flags.Bool("v", false, "show what the services and the devices log")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if *dsn == "" {
		*dsn = os.Getenv(envDSN)
	}
	if *dsn == "" {
		return errNoDSN
	}
	db, err := createSchema(ctx, *dsn, *schema)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "stacksync-postgres-")
	if err != nil {
		return errors.Join(err, db.drop(ctx), db.close())
	}
	s := &show{out: story.Writer{Width: 16, W: stdout}, dsn: *dsn, schema: db.name, version: db.version, temp: temp, verbose: *verbose}
	err = errors.Join(s.run(ctx), s.close(ctx))
	if *keep {
		s.out.Line("kept", "schema %s, folder %s", db.name, temp)
		return errors.Join(err, db.close())
	}
	return errors.Join(err, db.drop(ctx), db.close(), os.RemoveAll(temp))
}
