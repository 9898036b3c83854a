package ftp_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/ftp"
)

// ofOneShard returns names whose chunks lie in one shard.
func ofOneShard(n int) []string {
	var names []string
	for i := 0; len(names) < n; i++ {
		name := fmt.Sprint("shard-", i)
		if sha256.Sum256([]byte(name))[0] == 0 {
			names = append(names, name)
		}
	}
	return names
}

// calls are those for which it matters what the server replies to a verb. What they look for is there.
func calls(s *ftp.Storage, names []string) map[string]map[string]func(ctx context.Context) error {
	type byName = map[string]func(ctx context.Context) error
	one := names[:1]
	stat := func(names []string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			r, err := s.StatChunks(ctx, stacksync.StatChunksParams{Container: container, Names: names})
			if err == nil && len(r.Chunks) == 0 {
				return stacksync.ErrChunkNotFound
			}
			return err
		}
	}
	readOne := func(ctx context.Context) error {
		_, err := read(ctx, s, container, one[0])
		return err
	}
	list := func(ctx context.Context) error {
		r, err := s.ListChunks(ctx, stacksync.ListChunksParams{Container: container})
		if err == nil && len(r.Chunks) == 0 {
			return stacksync.ErrNotFound
		}
		return err
	}
	copyOne := func(ctx context.Context) error {
		_, err := s.CopyChunks(ctx, stacksync.CopyChunksParams{From: container, To: "other", Names: one})
		var missing *stacksync.ChunksMissingError
		if errors.As(err, &missing) {
			return stacksync.ErrChunkNotFound
		}
		return err
	}
	return map[string]byName{
		"SIZE": {"stat": stat(one), "read": readOne, "copy": copyOne},
		"RETR": {"read": readOne},
		"MLSD": {"stat of a shard": stat(names), "list": list},
		"MLST": {"copy": copyOne},
	}
}

// TestMissingOrNot: what a server says with its one code for everything is an error, unless it surely says that there is nothing. The texts
// are those of strerror(3), as ProFTPD 1.3.8 and Pure-FTPd 1.0.50 send them.
func TestMissingOrNot(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	create(t, r.Storage, "other")
	names := ofOneShard(8)
	for _, name := range names {
		require.NoError(t, write(t.Context(), r.Storage, container, name, "content"))
	}
	// say answers commands: verbs and texts in turns.
	say := func(answers ...string) {
		r.proxy.set(func(p *proxy) {
			p.answer = func(command string) string {
				for i := 0; i < len(answers); i += 2 {
					if strings.HasPrefix(command, answers[i]) {
						return answers[i+1]
					}
				}
				return ""
			}
		})
	}
	deleteOne := func() error {
		_, err := r.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: container, Names: names[:1]})
		return err
	}
	const noReason, noReasonEither = "550 '/c/x' cannot be listed", "550 Can't check for file existence"
	for _, text := range []string{
		"550 /c/x: Read-only file system", "550 /c/x: Input/output error", "550 /c/x: Stale file handle", "550 /c/x: Permission denied",
		"550 Can't open /c/x: Too many open files", "550 /no such file: not found/x: Input/output error", "550 x: Not a directory", "550 no", "450 busy",
		noReason, noReasonEither, // and CWD knows that it is there
	} {
		for verb, calls := range calls(r.Storage, names) {
			say(verb, text)
			for call, do := range calls {
				err := do(t.Context())
				require.Error(t, err, "%s: %s: %s", call, verb, text)
				require.NotErrorIs(t, err, stacksync.ErrNotFound, "%s: %s: %s", call, verb, text)
			}
		}
		for _, verb := range []string{"DELE", "RNFR"} {
			say(verb, text)
			require.Error(t, deleteContainer(t.Context(), r.Storage, container), "%s: %s", verb, text)
		}
		say("DELE", text)
		require.Error(t, deleteOne(), text)
		say("MLST", text, "CWD", "550 /gone: Input/output error", "MFMT", "550 utime(/gone): Input/output error")
		require.Error(t, deleteContainer(t.Context(), r.Storage, "gone"), text)
	}
	say("SIZE", noReasonEither, "MFMT", "550 utime(/c/x): Input/output error")
	_, err := read(t.Context(), r.Storage, container, "missing")
	require.Error(t, err)
	require.NotErrorIs(t, err, stacksync.ErrNotFound)

	for _, text := range []string{"550 /c/x: No such file or directory", "550 File not found", "550 Sorry, but that file doesn't exist", "450 x does not exist"} {
		for verb, calls := range calls(r.Storage, names) {
			say(verb, text)
			for call, do := range calls {
				require.ErrorIs(t, do(t.Context()), stacksync.ErrNotFound, "%s: %s: %s", call, verb, text)
			}
		}
		say("DELE", text)
		require.NoError(t, deleteOne(), text)
	}
	say("SIZE", noReasonEither, "MLSD", noReasonEither)
	_, err = read(t.Context(), r.Storage, container, "missing")
	require.ErrorIs(t, err, stacksync.ErrChunkNotFound)
	require.Empty(t, stored(t, r.Storage, "missing"))

	say()
	require.ElementsMatch(t, names, stored(t, r.Storage, container), "nothing was lost")
}

func deleteContainer(ctx context.Context, s *ftp.Storage, name string) error {
	_, err := s.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: name})
	return err
}
