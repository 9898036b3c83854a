package ftp_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jlaffaye "github.com/jlaffaye/ftp"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/proftpd"
)

// intruder is an account that sends whatever commands it likes.
type intruder struct {
	t testing.TB
	*jlaffaye.ServerConn
	send func(line string) (int, string)
}

// bounds are two containers, "mine" in which alice may write and bob may read, and "other".
func bounds(t *testing.T) (*proftpd.Server, func(login string) *intruder) {
	t.Helper()
	server := start(t, proftpd.Options{TLSOptional: true})
	s := open(t, withAccounts(server))
	accounts, ok := stacksync.As[stacksync.AccountProvisioner](s)
	require.True(t, ok)
	for _, name := range []string{"alice", "bob"} {
		_, err := accounts.PutAccount(t.Context(), stacksync.PutAccountParams{Account: name, Secret: "0123456789abcdef"})
		require.NoError(t, err)
	}
	for _, c := range []string{"mine", "other"} {
		create(t, s, c)
		require.NoError(t, write(t.Context(), s, c, "chunk", "content"))
		grants := []stacksync.Grant{{Account: "alice", Permission: stacksync.ReadWrite}, {Account: "bob", Permission: stacksync.Read}}
		if c == "other" {
			grants = nil
		}
		_, err := accounts.SetAccess(t.Context(), stacksync.SetAccessParams{Container: c, Grants: grants})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(server.Root, c, ".tmp", "half"), []byte("half"), 0o600))
		require.NoError(t, os.Chown(filepath.Join(server.Root, c, ".tmp", "half"), server.UID, server.GID))
	}
	return server, func(login string) *intruder {
		conn, err := jlaffaye.Dial(server.Addr)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Quit() })
		require.NoError(t, conn.Login(login, "0123456789abcdef"))
		raw, err := textproto.Dial("tcp", server.Addr)
		require.NoError(t, err)
		t.Cleanup(func() { _ = raw.Close() })
		raw.R = bufio.NewReader(raw.R)
		i := &intruder{t: t, ServerConn: conn, send: func(line string) (int, string) {
			require.NoError(t, raw.PrintfLine("%s", line))
			code, text, err := raw.ReadResponse(0)
			if _, ok := err.(*textproto.Error); !ok { //nolint:errorlint // any reply will do
				require.NoError(t, err, line)
			}
			return code, text
		}}
		_, _, err = raw.ReadResponse(220)
		require.NoError(t, err)
		i.send("USER " + login)
		code, _ := i.send("PASS 0123456789abcdef")
		require.Equal(t, 230, code)
		return i
	}
}

const object = "6c/chunk" // as Locate has it

func snapshot(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		files[name] = string(b)
		return err
	}))
	return files
}

// TestRights: what package ftp asks of the server's configuration holds against clients that send anything.
func TestRights(t *testing.T) {
	t.Parallel()
	server, login := bounds(t)
	before := snapshot(t, server.Root)
	for _, who := range []string{"alice", "bob"} {
		i := login(who)
		for _, name := range []string{
			"/mine/.ftpaccess", "/mine/.tmp/.ftpaccess", "/mine/6c/.ftpaccess", "/.ftpaccess", "/mine/" + object, "/mine/6c/new", "/new", "/mine/new",
			"/other/" + object, "/other/6c/new", "/other/.tmp/new", "/other/.ftpaccess", "/mine/../other/.tmp/new", "/mine/.tmp/half", "/mine/.tmp/../.ftpaccess",
		} {
			require.Error(t, i.Stor(name, strings.NewReader("intruder")), "%s: STOR %s", who, name)
			require.Error(t, i.Append(name, strings.NewReader("intruder")), "%s: APPE %s", who, name)
			require.Error(t, i.Delete(name), "%s: DELE %s", who, name)
		}
		for _, name := range []string{"/other/" + object, "/mine/.ftpaccess", "/mine/.tmp/.ftpaccess", "/mine/.tmp/half", "/other/.tmp/half", "/mine/../other/" + object} {
			_, err := i.Retr(name)
			require.Error(t, err, "%s: RETR %s", who, name)
		}
		for _, line := range []string{
			"RNFR /mine/" + object, "RNFR /mine", "RNFR /mine/6c", "RNFR /mine/.tmp", "RNFR /mine/.ftpaccess", "RNFR /mine/.tmp/.ftpaccess", "RNFR /other/" + object, "RNFR /other",
			"MKD /new", "MKD /mine/new", "MKD /mine/.tmp/new", "MKD /other/aa", "MKD /mine/6c/.ftpaccess", "XMKD /new",
			"RMD /mine/6c", "RMD /mine/.tmp", "RMD /mine", "XRMD /mine/.tmp", "STOU new",
			"SITE CHMOD 777 /mine/" + object, "SITE CHGRP 0 /mine/" + object, "SITE CPFR /mine/" + object, "SITE CPFR /other/" + object, "SITE CPTO /mine/6c/copy",
			"SITE UTIME 20200101000000 /mine/" + object, "SITE SYMLINK /other /mine/6c/link", "SITE MKDIR /mine/new", "SITE RMDIR /mine/6c",
			"MFMT 20200101000000 /mine/" + object, "MFF modify=20200101000000; /mine/" + object, "MFMT 20400101000000 /mine/.ftpaccess",
			"MLST /other", "MLST /other/" + object, "SIZE /other/" + object, "MDTM /other/" + object, "CWD /other", "CWD /", "CWD /.deleted", "MLST /mine/.ftpaccess", "SIZE /mine/.ftpaccess",
		} {
			code, text := i.send(line)
			require.GreaterOrEqual(t, code, 400, "%s: %s: %s", who, line, text)
		}
		requireUnseen(t, i)
		require.Equal(t, before, snapshot(t, server.Root), who)
	}
}

// requireUnseen checks that no listing shows other containers, lists of access, or others' uploads.
func requireUnseen(t *testing.T, i *intruder) {
	t.Helper()
	for _, folder := range []string{"/", "", "..", "/other", "/mine", "/mine/..", "/mine/.tmp", "/mine/.tmp/*", "/*", "/m*/../*", "-a /", "-R /", "-la /mine/.tmp", "-a /mine"} {
		names, _ := i.NameList(folder)
		entries, _ := i.List(folder)
		for _, e := range entries {
			names = append(names, e.Name)
		}
		_, status := i.send("STAT " + folder)
		for _, secret := range []string{"other", "half", ".ftpaccess"} {
			require.NotContains(t, strings.Join(names, " "), secret, folder)
			require.NotContains(t, strings.ReplaceAll(status, "Status of "+folder, ""), secret, folder)
		}
	}
}

// TestWriterCantReplace: a chunk that is stored stays as it is, whoever uploads under its name.
func TestWriterCantReplace(t *testing.T) {
	t.Parallel()
	server, login := bounds(t)
	alice, bob := login("alice"), login("bob")
	require.NoError(t, alice.Stor("/mine/.tmp/upload", bytes.NewReader([]byte("intruder"))))
	for _, to := range []string{"/mine/" + object, "/mine/.ftpaccess", "/mine/.tmp/.ftpaccess", "/other/6c/new", "/other/" + object, "/new", "/.ftpaccess", "/mine/new", "/mine/6c/../.ftpaccess", "/mine/6c/../../new"} {
		require.Error(t, alice.Rename("/mine/.tmp/upload", to), to)
	}
	require.Error(t, bob.Rename("/mine/.tmp/upload", "/mine/6c/new"))
	require.NoError(t, alice.Rename("/mine/.tmp/upload", "/mine/6c/new"))
	r, err := bob.Retr("/mine/" + object)
	require.NoError(t, err)
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, "content", string(content))
	require.Contains(t, snapshot(t, server.Root), filepath.Join(server.Root, "mine", "6c", "new"))
}

// TestClosedByDefault: a folder for which access was never set is closed.
func TestClosedByDefault(t *testing.T) {
	t.Parallel()
	server, login := bounds(t)
	s := open(t, configOf(server))
	create(t, s, "fresh")
	require.NoError(t, write(t.Context(), s, "fresh", "chunk", "content"))
	i := login("alice")
	_, err := i.Retr("/fresh/" + object)
	require.Error(t, err)
	require.Error(t, i.Stor("/fresh/.tmp/x", strings.NewReader("x")))
	require.Error(t, i.ChangeDir("/fresh"))
}

// TestManyGrants: the last of a thousand accounts has access at once, and the changes of one second all hold in an open session.
func TestManyGrants(t *testing.T) {
	t.Parallel()
	server, login := bounds(t)
	s := open(t, withAccounts(server))
	accounts, ok := stacksync.As[stacksync.AccountProvisioner](s)
	require.True(t, ok)
	lines, err := os.ReadFile(server.Users)
	require.NoError(t, err)
	var grants []stacksync.Grant
	for i := range 999 {
		name := fmt.Sprintf("account-with-quite-a-long-name-that-goes-on-and-on-%04d", i)
		lines = fmt.Appendf(lines, "%s:!:%d:%d::/:/bin/false\n", name, server.UID, server.GID)
		grants = append(grants, stacksync.Grant{Account: name, Permission: stacksync.ReadWrite})
	}
	require.NoError(t, os.WriteFile(server.Users, lines, 0o600))
	i := login("alice")
	for range 3 {
		for _, last := range []string{"alice", "bob"} {
			_, err := accounts.SetAccess(t.Context(), stacksync.SetAccessParams{
				Container: "other", Grants: append(grants, stacksync.Grant{Account: last, Permission: stacksync.Read}),
			})
			require.NoError(t, err)
			r, err := i.Retr("/other/" + object)
			require.Equal(t, last == "alice", err == nil, "%s: %v", last, err)
			if err == nil {
				require.NoError(t, r.Close())
			}
		}
	}
	res, err := accounts.SetAccess(t.Context(), stacksync.SetAccessParams{
		Container: "other", Grants: append(grants, stacksync.Grant{Account: "alice", Permission: 1}, stacksync.Grant{Account: "bob", Permission: 1}),
	})
	require.NoError(t, err)
	require.Equal(t, []string{"bob"}, res.Omitted, "the first ones are listed")
}
