// Sharing shows how folders are shared, in one process and a temporary folder: a service on SQLite and the local disk, three users, and
// five devices that keep real folders.
//
//	go run ./examples/sharing
//
// Ada shares a folder with Bob and Eve. All of them write in it, on all their devices, and then everything happens to it that can happen
// to a shared folder: other roles, another name, a member who is put out while he writes, another owner, a member who leaves. In
// the end it returns to Ada. Read story.go for the calls, and client.go for what a program on a user's device has to do.
//
// It exits with 1, and lists what differs, if the devices of a user do not have the same files in the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/stacksync/stacksync-go/examples/internal/story"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sharing:", err)
		os.Exit(1)
	}
}

// patience bounds the whole show: who waits for something that never comes is told so.
const patience = 5 * time.Minute

func run(ctx context.Context, args []string, stdout *os.File) error {
	flags := flag.NewFlagSet("sharing", flag.ContinueOnError)
	keep := flags.Bool("keep", false, "leave the folders to look at")
	verbose := flags.Bool("v", false, "show what the devices and the service log")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	log := slog.New(slog.DiscardHandler)
	if *verbose {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	temp, err := os.MkdirTemp("", "stacksync-sharing-")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not done after %v", patience))
	defer cancel()
	s := &show{out: story.Writer{W: stdout, Width: 14}, temp: temp, log: log}
	err = s.tell(ctx)
	if err == nil {
		err = s.compare()
	}
	err = errors.Join(err, s.close())
	if *keep {
		s.out.Line("kept", "%s", temp)
		return err
	}
	return errors.Join(err, os.RemoveAll(temp))
}
