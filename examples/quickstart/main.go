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
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == writerCommand {
		return runWriter(ctx, os.Args[2:])
	}
	dir := flag.String("dir", "", "the tree to sync: a copy is made (default: the Go toolchain's src)")
	keep := flag.Bool("keep", false, "leave the folders to look at")
	verbose := flag.Bool("v", false, "show what the devices and the service log")
	flag.Parse()
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
	s := &show{out: newOutput(os.Stdout), source: *dir, temp: temp, log: slog.New(slog.DiscardHandler)}
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
