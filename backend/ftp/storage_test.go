package ftp_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/ftp"
	"github.com/stacksync/stacksync-go/internal/proftpd"
)

// TestCopyThrough: without mod_copy the content goes through this process, however few connections there are.
func TestCopyThrough(t *testing.T) {
	t.Parallel()
	for _, without := range []bool{false, true} {
		t.Run(fmt.Sprint("without mod_copy ", without), func(t *testing.T) {
			t.Parallel()
			server := start(t, proftpd.Options{TLSOptional: true, NoCopy: without})
			p := newProxy(t, server.Addr)
			c := configOf(server)
			c.Addr, c.TLS, c.Plain, c.MaxConns = p.addr(), nil, true, 2
			s := open(t, c)
			create(t, s, "from")
			create(t, s, "to")
			names := []string{"missing"}
			for i := range 10 {
				names = append(names, fmt.Sprint("chunk/", i))
				require.NoError(t, write(t.Context(), s, "from", names[i+1], strings.Repeat(names[i+1], 10_000)))
			}
			for range 2 {
				_, err := s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: "from", To: "to", Names: names})
				var missing *stacksync.ChunksMissingError
				require.ErrorAs(t, err, &missing)
				require.Equal(t, []string{"missing"}, missing.Names)
			}
			for _, name := range names[1:] {
				got, err := read(t.Context(), s, "to", name)
				require.NoError(t, err)
				require.Equal(t, strings.Repeat(name, 10_000), got)
			}
			if without {
				require.Zero(t, p.seen("SITE CPTO"))
				require.Equal(t, 20, p.seen("RETR"), "ten copies, once each, and ten reads")
			} else {
				require.GreaterOrEqual(t, p.seen("SITE CPTO"), 10)
				require.Equal(t, 10, p.seen("RETR"))
			}
		})
	}
}

// TestSweep: what is old goes, what is young stays, and a list shows neither.
func TestSweep(t *testing.T) {
	t.Parallel()
	server := start(t, proftpd.Options{})
	s := open(t, configOf(server))
	create(t, s, container)
	require.NoError(t, write(t.Context(), s, container, "chunk", "content"))
	folder := filepath.Join(server.Root, container, ".tmp")
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "older": 1000 * time.Hour, "young": time.Hour, ".ftpaccess": 1000 * time.Hour} {
		file := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		require.NoError(t, os.Chown(file, server.UID, server.GID))
		require.NoError(t, os.Chtimes(file, time.Time{}, time.Now().Add(-age)))
	}
	require.Equal(t, []string{"chunk"}, stored(t, s, container))
	r, err := s.Sweep(t.Context(), ftp.SweepParams{Container: container})
	require.NoError(t, err)
	require.Equal(t, 2, r.Removed)
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, left, 2)
	_, err = s.Sweep(t.Context(), ftp.SweepParams{Container: "../x"})
	require.ErrorIs(t, err, stacksync.ErrInvalid)
	require.NoError(t, write(t.Context(), s, container, "another", "content"))
}

// TestStoredAt: StoredAt has the time that the server gives a file, in UTC.
func TestStoredAt(t *testing.T) {
	t.Parallel()
	server := start(t, proftpd.Options{})
	s := open(t, configOf(server))
	create(t, s, container)
	require.NoError(t, write(t.Context(), s, container, "chunk", "content"))
	at := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	require.NoError(t, os.Chtimes(filepath.Join(server.Root, container, object), time.Time{}, at))
	r, err := s.ListChunks(t.Context(), stacksync.ListChunksParams{Container: container})
	require.NoError(t, err)
	require.Equal(t, at, r.Chunks[0].StoredAt)
	_, err = s.ListChunks(t.Context(), stacksync.ListChunksParams{Container: container, After: "../x"})
	require.ErrorIs(t, err, stacksync.ErrInvalid)
}

// TestAccountsAtOnce: two processes that change the accounts don't lose each other's, and lines of others stay as they are.
func TestAccountsAtOnce(t *testing.T) {
	t.Parallel()
	users := filepath.Join(t.TempDir(), "passwd")
	const others = "# a comment\nsomebody:x:1:1::/:/bin/false\n\nlast:y:2:2::/:/bin/false"
	require.NoError(t, os.WriteFile(users, []byte(others), 0o640))
	var wg sync.WaitGroup
	const count = 20
	for i := range count {
		wg.Go(func() {
			a := ftp.ProFTPD{Users: users, UID: 5, GID: 6}
			login, err := a.PutAccount(context.Background(), fmt.Sprint("u", i), "0123456789abcdef", false)
			if assert.NoError(t, err, i) {
				assert.Equal(t, fmt.Sprint("u", i), login)
			}
		})
	}
	wg.Wait()
	text := func() string {
		b, err := os.ReadFile(users)
		require.NoError(t, err)
		return string(b)
	}
	before := text()
	require.True(t, strings.HasPrefix(before, others+"\n"))
	require.Equal(t, count, strings.Count(before, ":5:6::/:/bin/false\n"))
	require.NotContains(t, before, "0123456789abcdef")
	info, err := os.Stat(users)
	require.NoError(t, err)
	require.EqualValues(t, 0o640, info.Mode().Perm())

	ended := 0
	a := ftp.ProFTPD{Users: users, UID: 5, GID: 6, EndSessions: func(context.Context, string) error { ended++; return nil }}
	_, err = a.PutAccount(t.Context(), "u1", "0123456789abcdef", false)
	require.NoError(t, err)
	_, err = a.PutAccount(t.Context(), "unknown", "0123456789abcdef", true)
	require.NoError(t, err)
	require.Equal(t, before, text(), "nothing was to be changed")
	require.Zero(t, ended)
	_, err = a.PutAccount(t.Context(), "u1", "another-0123456789", true)
	require.NoError(t, err)
	require.NotEqual(t, before, text())
	require.Equal(t, 1, ended)
	for i := range count {
		require.NoError(t, a.DeleteAccount(t.Context(), fmt.Sprint("u", i)))
	}
	require.Equal(t, others+"\n", text())
	_, err = ftp.ProFTPD{Users: users}.PutAccount(t.Context(), "u1", "0123456789abcdef", false)
	require.ErrorContains(t, err, "UID")
	_, ok := stacksync.As[stacksync.AccountProvisioner](&ftp.Storage{})
	require.False(t, ok)
}

// TestNothingIsLeft: when the last container is gone, Folder is empty again, whoever else deletes containers at the moment.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	server := start(t, proftpd.Options{})
	storages := []*ftp.Storage{open(t, configOf(server)), open(t, configOf(server))}
	const rounds, count = 5, 8
	for round := range rounds {
		var wg sync.WaitGroup
		for i := range count {
			wg.Go(func() {
				s, name := storages[i%2], fmt.Sprintf("c-%d-%d", round, i)
				_, err := s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: name})
				assert.NoError(t, err)
				assert.NoError(t, write(t.Context(), s, name, "chunk", "content"))
				assert.NoError(t, deleteContainer(t.Context(), s, name))
			})
		}
		wg.Wait()
		left, err := os.ReadDir(server.Root)
		require.NoError(t, err)
		require.Empty(t, left)
	}
	require.NoError(t, deleteContainer(t.Context(), storages[0], "never-there"))
}
