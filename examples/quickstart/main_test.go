package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stacksync/stacksync-go/examples/internal/story"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	// The step that kills the service starts this binary again.
	if len(os.Args) > 1 && os.Args[1] == writerCommand {
		if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	testMain(m)
}

// makeTree makes a small tree that the story goes well with.
func makeTree(t *testing.T) string {
	source := t.TempDir()
	for name, content := range map[string]string{
		"top": "1", "dir/sub/file": "2", "dir/empty": "", "other/file": "3", "third/file": "4",
		// Names that the story would give to what it moves.
		"dir/other/x": "5", "dir/third/x": "6", "other/dir/x": "7", "other/third/x": "8", "third/dir/x": "9", "third/other/x": "10",
		"dir renamed/x": "11", "other renamed/x": "12", "third renamed/x": "13",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(source, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(source, name), []byte(content), 0o644))
	}
	return source
}

// perform runs the program on a small tree, and returns what it writes.
func perform(t *testing.T, args ...string) string {
	t.Helper()
	source := makeTree(t)
	before, err := story.Read(source)
	require.NoError(t, err)
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	runErr := run(t.Context(), append([]string{"-dir", source}, args...), out)
	require.NoError(t, out.Close())
	text, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	require.NoError(t, runErr, string(text))
	for _, want := range []string{
		"first sync ", "live change ", "offline catch-up ", "read 4 of", "rename and move ", "2 commits, 0 bytes sent, 0 bytes fetched",
		"deleted folder ", "1 commit", "conflict ", "conflicted copy of desktop", "kill the service ", "\nequal ",
	} {
		require.Contains(t, string(text), want)
	}
	require.NotContains(t, string(text), "\x1b", "no progress bar where there is no terminal")
	after, err := story.Read(source)
	require.NoError(t, err)
	require.Equal(t, before, after, "the source was touched")
	return string(text)
}

const steps = 11 // lines that the story has with every storage

func TestDir(t *testing.T) {
	text := perform(t)
	require.Equal(t, steps, strings.Count(text, "\n"))
	require.Equal(t, 2, strings.Count(text, "through the service"))
	require.Contains(t, text, "with their content")
}

func TestMemory(t *testing.T) {
	text := perform(t, "-storage", "memory")
	require.Equal(t, steps, strings.Count(text, "\n"))
	require.Equal(t, 2, strings.Count(text, "through the service"))
	require.Contains(t, text, "without content, which is in memory", "what the story leaves out is said")
}

func TestDifferencesAreListed(t *testing.T) {
	a := story.Tree{"same": {Size: 1}, "dir": {Dir: true}, "only a": {Size: 1}, "x": {Size: 1, Hash: [32]byte{1}}, "kind": {Dir: true}}
	b := story.Tree{"same": {Size: 1}, "dir": {Dir: true}, "only b": {Dir: true}, "x": {Size: 1, Hash: [32]byte{2}}, "kind": {}}
	var out bytes.Buffer
	s := &show{out: &output{w: &out}}
	require.ErrorContains(t, s.judge(a, b), "differ in 4 places")
	require.Equal(t, 4, strings.Count(out.String(), "different "))
	require.NoError(t, s.judge(a, a))
}

func TestWrongArguments(t *testing.T) {
	for _, args := range [][]string{{"-nonsense"}, {"stray"}, {writerCommand}, {"-dir", filepath.Join(t.TempDir(), "missing")}, {"-storage", "tape"}} {
		require.Error(t, run(t.Context(), args, os.Stderr))
	}
}

func TestMissingSettingsAreNamed(t *testing.T) {
	for _, k := range kinds() {
		for _, s := range k.settings {
			t.Setenv(s.name, "")
		}
		err := run(t.Context(), []string{"-storage", k.name, "-dir", filepath.Join(t.TempDir(), "missing")}, os.Stderr)
		if !k.remote() {
			require.ErrorContains(t, err, "missing")
			continue
		}
		require.ErrorContains(t, err, "in the environment")
		for _, s := range k.settings {
			require.Equal(t, !s.optional, strings.Contains(err.Error(), s.name), s.name)
		}
	}
}

func TestHelpTellsTheSettings(t *testing.T) {
	var out bytes.Buffer
	describe(&out)
	for _, k := range kinds() {
		require.Contains(t, out.String(), k.about)
		for _, s := range k.settings {
			require.Contains(t, out.String(), s.name)
		}
	}
}
