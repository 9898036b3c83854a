// Quickstart shows a whole sync service at work, in one process and a temporary folder: a service on SQLite and the local disk, and two
// devices of one user that keep a real tree of files equal.
//
//	go run ./examples/quickstart              # with the Go toolchain's own source tree
//	go run ./examples/quickstart -dir ~/notes # with a copy of another one
//	go run ./examples/quickstart -storage s3  # with the content in an object store: see -h
//
// It exits with 1, and lists what differs, if the trees of the two devices are not equal in the end. At a storage elsewhere it leaves
// nothing behind. To try that on a server of its own:
//
//	go run ./internal/services s3 -- go run ./examples/quickstart -storage s3
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
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
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
	flags.Usage = func() {
		_, _ = fmt.Fprintln(flags.Output(), "Usage of quickstart:")
		flags.PrintDefaults()
		describe(flags.Output())
	}
	storageName := flags.String("storage", "dir", "where the content is: `name` of a storage")
	dir := flags.String("dir", "", "the tree to sync: a copy is made (default: the Go toolchain's src; with swift, which takes longer, its src/internal)")
	keep := flags.Bool("keep", false, "leave the folders and the content to look at")
	verbose := flags.Bool("v", false, "show what the devices and the service log")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	kind, err := findKind(*storageName)
	if err != nil {
		return err
	}
	if *dir == "" {
		src, err := goSource(ctx)
		if err != nil {
			return err
		}
		*dir = filepath.Join(src, kind.tree)
	}
	temp, err := os.MkdirTemp("", "stacksync-quickstart-")
	if err != nil {
		return err
	}
	s := &show{out: newOutput(stdout), kind: kind, source: *dir, temp: temp, log: slog.New(slog.DiscardHandler)}
	if *verbose {
		s.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	err = errors.Join(s.run(ctx), s.close())
	if *keep {
		s.out.line("kept", "%s", strings.Join(append([]string{temp}, s.containers...), ", "))
		return err
	}
	return errors.Join(err, s.cleanUp(ctx))
}

// goSource returns the source tree of the Go toolchain, which is where go run is.
func goSource(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find the Go toolchain (-dir takes any other tree): %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), "src"), nil
}
