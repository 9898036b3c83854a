// Quickstart shows a whole sync service at work, in one process and a temporary folder: a service on SQLite and the local disk, and two
// devices of one user that keep a real tree of files equal.
//
//	go run ./examples/quickstart              # with the Go toolchain's own source tree
//	go run ./examples/quickstart -dir ~/notes # with a copy of another one
//
// It exits with 1, and lists what differs, if the trees of the two devices are not equal in the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout *os.File) error {
	if len(args) > 0 && args[0] == writerCommand {
		return runWriter(ctx, args[1:], stdout)
	}
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	dir := flags.String("dir", "", "the tree to sync: a copy is made (default: the Go toolchain's src)")
	keep := flags.Bool("keep", false, "leave the folders to look at")
	verbose := flags.Bool("v", false, "show what the devices and the service log")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if *dir == "" {
		var err error
		if *dir, err = goSource(ctx); err != nil {
			return err
		}
	}
	temp, err := os.MkdirTemp("", "stacksync-quickstart-")
	if err != nil {
		return err
	}
	s := &show{out: newOutput(stdout), source: *dir, temp: temp, log: slog.New(slog.DiscardHandler)}
	if *verbose {
		s.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	err = errors.Join(s.run(ctx), s.close())
	if *keep {
		s.out.line("kept", "%s", temp)
		return err
	}
	return errors.Join(err, os.RemoveAll(temp))
}

// goSource returns the source tree of the Go toolchain, which is where go run is.
func goSource(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find the Go toolchain (-dir takes any other tree): %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), "src"), nil
}
