package ftp_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/ftp"
	"github.com/stacksync/stacksync-go/internal/proftpd"
)

const (
	firstSecret  = "0123456789abcdef"
	secondSecret = "another-0123456789"
)

var errKick = errors.New("no sessions were ended")

// kicks is an EndSessions that fails as often as it is told, and knows whose sessions it has ended.
type kicks struct {
	fail  int
	ended []string
	// do is what else it does when it does not fail.
	do func(ctx context.Context, login string) error
}

func (k *kicks) end(ctx context.Context, login string) error {
	if k.fail > 0 {
		k.fail--
		return errKick
	}
	k.ended = append(k.ended, login)
	if k.do != nil {
		return k.do(ctx, login)
	}
	return nil
}

// TestKickIsMadeUpFor: where a session could not be ended, the next call does it, also one of another process.
func TestKickIsMadeUpFor(t *testing.T) {
	t.Parallel()
	users := filepath.Join(t.TempDir(), "passwd")
	require.NoError(t, os.WriteFile(users, nil, 0o600))
	k := &kicks{}
	access := func() ftp.ProFTPD { return ftp.ProFTPD{Users: users, UID: 5, GID: 6, EndSessions: k.end} }
	put := func(secret stacksync.Secret, ifExists bool) error {
		_, err := access().PutAccount(t.Context(), "u", secret, ifExists)
		return err
	}
	text := func() string {
		b, err := os.ReadFile(users)
		require.NoError(t, err)
		return string(b)
	}
	const settled = ":5:6::/:/bin/false\n"

	require.NoError(t, put(firstSecret, false))
	require.Empty(t, k.ended, "a new account has no sessions")
	k.fail = 2
	require.ErrorIs(t, put(secondSecret, true), errKick)
	require.ErrorIs(t, put(secondSecret, true), errKick)
	require.NotContains(t, text(), settled)
	require.NoError(t, put(secondSecret, true))
	require.Equal(t, []string{"u"}, k.ended)
	require.Contains(t, text(), settled)
	require.NoError(t, put(secondSecret, false))
	require.Len(t, k.ended, 1, "once is enough")

	k.fail = 1
	require.ErrorIs(t, access().DeleteAccount(t.Context(), "u"), errKick)
	require.Contains(t, text(), "u:!:5:6:", "nobody can log in")
	require.NoError(t, put(firstSecret, true))
	require.Contains(t, text(), "u:!:5:6:", "it counts as deleted")
	require.NoError(t, access().DeleteAccount(t.Context(), "u"))
	require.Len(t, k.ended, 2)
	require.Empty(t, text())
	require.NoError(t, access().DeleteAccount(t.Context(), "u"))

	require.NoError(t, put(firstSecret, false))
	k.fail = 2
	require.ErrorIs(t, access().DeleteAccount(t.Context(), "u"), errKick)
	require.ErrorIs(t, put(firstSecret, false), errKick, "the sessions of the former account")
	require.NoError(t, put(firstSecret, false))
	require.Len(t, k.ended, 3)
	require.Contains(t, text(), settled)

	// Somebody else gives the account a secret meanwhile, or deletes it.
	k.do = func(context.Context, string) error {
		k.do = nil
		return put(firstSecret, true)
	}
	require.NoError(t, put(secondSecret, true))
	after := text()
	require.NoError(t, put(firstSecret, true))
	require.Equal(t, after, text(), "the last one counts")
	k.do = func(ctx context.Context, login string) error {
		k.do = nil
		return access().DeleteAccount(ctx, login)
	}
	require.NoError(t, put(secondSecret, true))
	require.Empty(t, text())
}

// TestSessionEndsAtLast: the open session of a device whose secret was changed ends, though the first try to end it has failed.
func TestSessionEndsAtLast(t *testing.T) {
	t.Parallel()
	server := start(t, proftpd.Options{})
	k := &kicks{do: server.EndSessions}
	c := configOf(server)
	c.Accounts = ftp.ProFTPD{Users: server.Users, UID: server.UID, GID: server.GID, EndSessions: k.end}
	s := open(t, c)
	create(t, s, container)
	accounts, ok := stacksync.As[stacksync.AccountProvisioner](s)
	require.True(t, ok)
	put := func(secret stacksync.Secret) error {
		_, err := accounts.PutAccount(t.Context(), stacksync.PutAccountParams{Account: "alice", Secret: secret})
		return err
	}
	grant := func() {
		_, err := accounts.SetAccess(t.Context(), stacksync.SetAccessParams{Container: container, Grants: []stacksync.Grant{{Account: "alice", Permission: stacksync.Read}}})
		require.NoError(t, err)
	}
	granted := func() string {
		b, err := os.ReadFile(filepath.Join(server.Root, container, ".ftpaccess"))
		require.NoError(t, err)
		return string(b)
	}
	at, err := accounts.Locate(t.Context(), stacksync.LocateParams{Container: container})
	require.NoError(t, err)
	login := func(secret stacksync.Secret) *device { return dial(t, server, "alice", secret, at.Location) }
	ends := func(d *device) {
		require.Eventually(t, func() bool { return d.conn.NoOp() != nil }, 10*time.Second, 20*time.Millisecond)
	}

	require.NoError(t, put(firstSecret))
	grant()
	require.Contains(t, granted(), "alice")
	first := login(firstSecret)
	require.NoError(t, first.failed)
	k.fail = 1
	require.ErrorIs(t, put(secondSecret), errKick)
	require.NoError(t, first.conn.NoOp(), "it goes on so far")
	require.NoError(t, put(secondSecret))
	ends(first)

	second := login(secondSecret)
	require.NoError(t, second.failed)
	k.fail = 1
	_, err = accounts.DeleteAccount(t.Context(), stacksync.DeleteAccountParams{Account: "alice"})
	require.ErrorIs(t, err, errKick)
	require.NoError(t, second.conn.NoOp())
	for _, secret := range []stacksync.Secret{firstSecret, secondSecret, "!"} {
		require.Error(t, login(secret).failed, "the account is closed already")
	}
	grant()
	require.NotContains(t, granted(), "alice")
	_, err = accounts.DeleteAccount(t.Context(), stacksync.DeleteAccountParams{Account: "alice"})
	require.NoError(t, err)
	ends(second)
}
