package dir

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// hash is a name that its file has too.
var hash = strings.Repeat("0123456789abcdef", 4)

// copied returns a Storage with chunks in c and an empty container d.
func copied(t *testing.T) (s *Storage, fileIn func(container, name string) string) {
	t.Helper()
	s, path := opened(t, Config{NoSync: true})
	_, err := s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: "d"})
	require.NoError(t, err)
	for _, name := range []string{hash, "a/b"} {
		require.NoError(t, s.write(t, "c", name, "content"))
	}
	return s, func(container, name string) string {
		return filepath.Join(path, "containers", container, placeOf(name).path())
	}
}

func (s *Storage) copyTo(t *testing.T, to string) {
	t.Helper()
	_, err := s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: "c", To: to, Names: []string{hash, "a/b"}})
	require.NoError(t, err)
}

func TestCopyLinks(t *testing.T) {
	for _, fail := range []error{nil, syscall.EPERM, syscall.EMLINK, syscall.EXDEV, errors.ErrUnsupported} {
		s, fileIn := copied(t)
		if fail != nil {
			s.link = func(old, name string) error { return &os.LinkError{Op: "link", Old: old, New: name, Err: fail} }
		}
		s.copyTo(t, "d")
		for _, name := range []string{hash, "a/b"} {
			a, err := os.Stat(fileIn("c", name))
			require.NoError(t, err)
			b, err := os.Stat(fileIn("d", name))
			require.NoError(t, err)
			require.Equal(t, fail == nil, os.SameFile(a, b), "%v", fail)
			content, err := os.ReadFile(fileIn("d", name))
			require.NoError(t, err)
			require.Equal(t, "content"+trailerOf(name), string(content))
		}
	}
}

// TestStoredNow: garbage collection spares what is new, so what was brought again or copied has to look new, also where
// it is a link to an old file.
func TestStoredNow(t *testing.T) {
	for name, act := range map[string]func(t *testing.T, s *Storage){
		"copied": func(t *testing.T, s *Storage) { s.copyTo(t, "d") },
		"copied in full": func(t *testing.T, s *Storage) {
			s.link = func(string, string) error { return syscall.EPERM }
			s.copyTo(t, "d")
		},
		"copied onto": func(t *testing.T, s *Storage) { s.copyTo(t, "d") },
		"copied to itself": func(t *testing.T, s *Storage) {
			s.copyTo(t, "c")
			s.copyTo(t, "d")
		},
		"written again": func(t *testing.T, s *Storage) {
			require.NoError(t, s.write(t, "c", hash, "content"))
			require.NoError(t, s.write(t, "c", "a/b", "content"))
			s.copyTo(t, "d")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, fileIn := copied(t)
			if name == "copied onto" {
				s.copyTo(t, "d")
			}
			for _, name := range []string{hash, "a/b"} {
				old := time.Now().Add(-48 * time.Hour)
				require.NoError(t, os.Chtimes(fileIn("c", name), old, old))
			}
			act(t, s)
			r, err := s.ListChunks(t.Context(), stacksync.ListChunksParams{Container: "d"})
			require.NoError(t, err)
			require.Len(t, r.Chunks, 2)
			for _, c := range r.Chunks {
				require.WithinDuration(t, time.Now(), c.StoredAt, time.Minute)
			}
		})
	}
}

// TestCopyRaces: the original goes, or the copy comes, in the middle of copying.
func TestCopyRaces(t *testing.T) {
	s, fileIn := copied(t)
	one := stacksync.CopyChunksParams{From: "c", To: "d", Names: []string{hash}}
	link := s.link
	s.link = func(old, name string) error {
		require.NoError(t, s.write(t, "d", hash, "content"))
		return link(old, name)
	}
	_, err := s.CopyChunks(t.Context(), one)
	require.NoError(t, err)
	require.FileExists(t, fileIn("d", hash))
	require.NoError(t, os.Remove(fileIn("d", hash)))

	s.link = func(old, name string) error {
		require.NoError(t, os.RemoveAll(fileIn("c", hash)))
		return link(old, name)
	}
	_, err = s.CopyChunks(t.Context(), one)
	var missing *stacksync.ChunksMissingError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, one.Names, missing.Names)

	require.NoError(t, s.write(t, "c", hash, "content"))
	s.link = func(old, name string) error {
		_, err := s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: "d"})
		require.NoError(t, err)
		return link(old, name)
	}
	_, err = s.CopyChunks(t.Context(), one)
	require.ErrorIs(t, err, stacksync.ErrNotFound)
	require.NotErrorIs(t, err, stacksync.ErrChunksMissing)
}

func TestCopyInFullIsCancelled(t *testing.T) {
	s, fileIn := copied(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.link = func(string, string) error {
		cancel()
		return syscall.EPERM
	}
	_, err := s.CopyChunks(ctx, stacksync.CopyChunksParams{From: "c", To: "d", Names: []string{hash}})
	require.ErrorIs(t, err, context.Canceled)
	require.NoFileExists(t, fileIn("d", hash))
}

// Where there are no hard links, what is written is renamed to its place, unless a chunk was stored there meanwhile.
func TestWriteWithoutHardLinks(t *testing.T) {
	s, _ := opened(t, Config{NoSync: true})
	s.place = func(string, string) error { return syscall.EPERM }
	write := func(content io.Reader) error {
		_, err := s.WriteChunk(t.Context(), stacksync.WriteChunkParams{Container: "c", Chunk: stacksync.Chunk{Name: "n", Size: 5}, Content: content})
		return err
	}
	require.NoError(t, write(io.MultiReader(strings.NewReader("la"), readerFunc(func([]byte) (int, error) {
		require.NoError(t, write(strings.NewReader("first")))
		return 0, io.EOF
	}), strings.NewReader("ter"))))
	res, err := s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: "c", Name: "n"})
	require.NoError(t, err)
	content, err := io.ReadAll(res.Content)
	require.NoError(t, err)
	require.NoError(t, res.Content.Close())
	require.Equal(t, "first", string(content))
	entries, err := os.ReadDir(filepath.Join(s.root.Name(), s.temp.path))
	require.NoError(t, err)
	require.Empty(t, entries, "nothing is left behind")
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
