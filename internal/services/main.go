//go:build unix

// Services starts storage servers, and runs a command that finds them by its environment: examples/quickstart, say. It ends them after
// the command, and with its exit status.
//
//	go run ./internal/services s3 -- go run ./examples/quickstart -storage s3
//
// Without a command it prints what to set, as export lines of a shell, and runs until it is interrupted. The servers are private, listen
// on 127.0.0.1 only, and leave nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/stacksync/stacksync-go/internal/services/serverenv"
)

const usage = `usage: services SERVER... [-- COMMAND [ARGUMENT...]]

Starts servers (s3, swift, ftp), runs the command with their addresses and passwords in its environment, ends the servers,
and exits with the command's status. Without a command it prints the variables and runs until it is interrupted.
`

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	names, command, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprint(stdout, usage) // where nobody reads it, the status still tells
		return 0
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "services: %v\n%s", err, usage)
		return exitUsage
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, passedOn...)
	status, err := serve(names, command, signals, stdout)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "services:", err)
		status = max(status, exitFailed)
	}
	return status
}

// passedOn are the signals that the command gets, too.
var passedOn = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM}

func serve(names, command []string, signals <-chan os.Signal, stdout io.Writer) (status int, err error) {
	// A signal ends the start, too, and is then there for those who wait for signals.
	ctx, stop := signal.NotifyContext(context.Background(), passedOn...)
	defer stop()
	var variables []serverenv.Variable
	for _, name := range names {
		server, env, err := servers[name](ctx)
		if server != nil {
			defer func() { err = errors.Join(err, server.Close()) }()
		}
		if err != nil {
			return exitFailed, fmt.Errorf("start %s: %w", name, err)
		}
		variables = append(variables, env...)
	}
	if len(command) > 0 {
		return execute(command, variables, signals)
	}
	for _, v := range variables {
		if _, err := fmt.Fprintf(stdout, "export %s=%s\n", v.Name, quote(v.Value)); err != nil {
			return exitFailed, err
		}
	}
	<-signals
	return 0, nil
}

// parse splits the arguments into the names of servers and a command.
func parse(args []string) (names, command []string, err error) {
	if i := slices.Index(args, "--"); i >= 0 {
		if args, command = args[:i], args[i+1:]; len(command) == 0 {
			return nil, nil, errors.New("there is no command after --")
		}
	}
	for _, name := range args {
		switch {
		case slices.Contains([]string{"-h", "-help", "--help"}, name):
			return nil, nil, flag.ErrHelp
		case servers[name] == nil:
			return nil, nil, fmt.Errorf("there is no server %q", name)
		case slices.Contains(names, name):
			return nil, nil, fmt.Errorf("server %q is there twice", name)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, nil, errors.New("no server is named")
	}
	return names, command, nil
}

// quote writes a word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
