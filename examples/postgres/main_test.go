package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/examples/internal/story"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

func TestMain(m *testing.M) {
	// The service processes are this binary.
	if len(os.Args) > 1 && os.Args[1] == serviceCommand {
		if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	pgtest.Main(m)
}

func TestTwoProcesses(t *testing.T) {
	server := pgtest.Shared(t)
	schema := server.Schema(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-dsn", server.DSN(), "-schema", schema}, nil, &out))
	t.Log("\n" + out.String())
	for _, want := range []string{
		"services ", "left to right ", "right to left ", "to and fro ", "conflict ", "(conflicted copy of ", "batch ",
		"left killed ", "left again ", "\nequal ",
	} {
		require.Contains(t, out.String(), want)
	}
	require.Equal(t, 9, strings.Count(out.String(), "\n"), "a line for each step")
	require.False(t, schemaExists(t, server, schema), "the schema is left")
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left, "folders are left")
}

// TestInterrupted ends the program in the middle: nothing is left behind, unless that is wanted.
func TestInterrupted(t *testing.T) {
	for name, keep := range map[string]bool{"clean up": false, "keep": true} {
		t.Run(name, func(t *testing.T) {
			server := pgtest.Shared(t)
			schema := server.Schema(t)
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			ctx, interrupt := context.WithCancel(t.Context())
			out := writerFunc(func(line []byte) (int, error) {
				if bytes.HasPrefix(line, []byte("left to right")) {
					interrupt()
				}
				return len(line), nil
			})
			err := run(ctx, []string{"-dsn", server.DSN(), "-schema", schema, fmt.Sprintf("-keep=%t", keep)}, nil, out)
			require.ErrorIs(t, err, context.Canceled)
			require.NotContains(t, err.Error(), "killed", "of what was wanted")
			require.Equal(t, keep, schemaExists(t, server, schema))
			left, err := os.ReadDir(temp)
			require.NoError(t, err)
			require.Equal(t, keep, len(left) > 0, left)
		})
	}
}

type writerFunc func(line []byte) (int, error)

func (f writerFunc) Write(line []byte) (int, error) { return f(line) }

func schemaExists(t *testing.T, server *pgtest.Server, name string) bool {
	t.Helper()
	return len(server.Query(t, "SELECT FROM pg_namespace WHERE nspname = '"+name+"'")) > 0
}

func TestASchemaOfOthersIsLeftAlone(t *testing.T) {
	server := pgtest.Shared(t)
	schema := server.Schema(t)
	server.Exec(t, "CREATE SCHEMA "+schema)
	err := run(t.Context(), []string{"-dsn", server.DSN(), "-schema", schema}, nil, os.Stderr)
	require.ErrorContains(t, err, "exists already")
	require.True(t, schemaExists(t, server, schema))
}

func TestNewSchema(t *testing.T) {
	server := pgtest.Shared(t)
	s, err := createSchema(t.Context(), server.DSN(), "")
	require.NoError(t, err)
	require.True(t, schemaExists(t, server, s.name))
	require.NoError(t, s.drop(t.Context()))
	require.False(t, schemaExists(t, server, s.name))
	require.NoError(t, s.close())
}

func TestNoDSN(t *testing.T) {
	t.Setenv(envDSN, "")
	err := run(t.Context(), nil, nil, os.Stderr)
	require.ErrorIs(t, err, errNoDSN)
	require.NotContains(t, err.Error(), "\n")
}

func TestErrorsKeepThePassword(t *testing.T) {
	for _, dsn := range []string{"postgres://me:sesame@127.0.0.1:1/db?sslmode=disable", "postgres://me:sesame@[", "mysql://me:sesame@host/db"} {
		t.Setenv(envDSN, dsn)
		err := run(t.Context(), nil, nil, os.Stderr)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "sesame")
	}
}

// TestServiceEndsWithItsInput: no process stays behind when the main one is gone.
func TestServiceEndsWithItsInput(t *testing.T) {
	server := pgtest.Shared(t)
	t.Setenv(envDSN, server.DSN())
	o := options{name: "left", schema: server.Schema(t), chunks: filepath.Join(t.TempDir(), "chunks"), dir: t.TempDir()}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), o.args(), strings.NewReader("sync\npause\nsync\nfollow\n"), &out))
	var kinds []kind
	for line := range strings.Lines(out.String()) {
		var e event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		require.Empty(t, e.Error)
		if e.Kind != evSynced {
			kinds = append(kinds, e.Kind)
		}
	}
	require.Equal(t, []kind{evReady, evAsked, evPaused, evAsked}, kinds)
	o.dir = t.TempDir() // it is another device
	require.ErrorContains(t, run(t.Context(), o.args(), strings.NewReader("dance\n"), &out), `unknown command "dance"`)
}

func TestServiceThatCannotStart(t *testing.T) {
	p, err := startProcess(t.Context(), "postgres://me:sesame@127.0.0.1:1/db?sslmode=disable", options{name: "left", schema: "x"})
	require.NoError(t, err)
	_, err = p.awaitKind(t.Context(), evReady)
	require.ErrorContains(t, err, "left has ended, and was to say ready")
	require.ErrorContains(t, err, "connect", "what the process said")
	require.NotContains(t, err.Error(), "sesame")
	require.ErrorContains(t, p.close(t.Context()), "exit status 1")
}

func TestWrongArguments(t *testing.T) {
	t.Setenv(envDSN, "postgres://127.0.0.1:1/db?sslmode=disable")
	for _, args := range [][]string{{"-nonsense"}, {"stray"}, {"-schema", `a"b`}, {serviceCommand, "-nonsense"}, {serviceCommand}} {
		require.Error(t, run(t.Context(), args, strings.NewReader(""), os.Stderr), args)
	}
}

func TestDifferencesAreListed(t *testing.T) {
	a := story.Tree{"same": {Size: 1}, "dir": {Dir: true}, "only a": {Size: 1}, "x": {Size: 1, Hash: [32]byte{1}}, "kind": {Dir: true}}
	b := story.Tree{"same": {Size: 1}, "dir": {Dir: true}, "only b": {Dir: true}, "x": {Size: 1, Hash: [32]byte{2}}, "kind": {}}
	var out bytes.Buffer
	s := &show{out: story.Writer{Width: 16, W: &out}}
	require.ErrorContains(t, s.judge(a, b), "differ in 4 places")
	require.Equal(t, 4, strings.Count(out.String(), "different "))
	require.NoError(t, s.judge(a, a))
}
