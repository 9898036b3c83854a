//go:build unix

package swift_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/swift"
	ostest "github.com/stacksync/stacksync-go/internal/openstack"
)

func create(t *testing.T, s stacksync.StorageProvisioner, container string) {
	t.Helper()
	_, err := s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: container})
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := s.DeleteContainer(context.Background(), stacksync.DeleteContainerParams{Container: container})
		require.NoError(t, err)
	})
}

// provider logs in as a host does that has a client of its own.
func provider(t *testing.T, server *ostest.Server) *gophercloud.ProviderClient {
	t.Helper()
	p, err := logIn(t, server, server.User, server.Password)
	require.NoError(t, err)
	return p
}

func logIn(t *testing.T, server *ostest.Server, user, password string) (*gophercloud.ProviderClient, error) {
	t.Helper()
	p, err := openstack.NewClient(server.AuthURL)
	require.NoError(t, err)
	transport := &http.Transport{ExpectContinueTimeout: time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	p.HTTPClient = http.Client{Transport: transport}
	return p, openstack.Authenticate(t.Context(), p, gophercloud.AuthOptions{
		IdentityEndpoint: server.AuthURL, Username: user, Password: password, DomainName: server.Domain, AllowReauth: true,
		Scope: &gophercloud.AuthScope{ProjectName: server.Project, DomainName: server.Domain},
	})
}

// The token is revoked again and again while 16 write, half of them content that can be read only once: all is written.
func TestTokenIsRevokedWhileWriting(t *testing.T) {
	server := sharedServer(t)
	p := provider(t, server)
	s := open(t, swift.Config{Provider: p, Prefix: "revoked-"})
	create(t, s, "c")
	revoked := 0
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				text := strings.Repeat(fmt.Sprint(i), 10_000)
				var content io.Reader = strings.NewReader(text)
				if i%2 == 1 {
					content = io.MultiReader(content)
				}
				assert.NoError(t, write(t.Context(), s, "c", fmt.Sprintf("%d-%d", i, n), content, len(text)))
			}
		})
	}
	for range 2 {
		before := p.Token()
		require.NoError(t, server.Revoke(t.Context(), before))
		revoked++
		deadline := time.Now().Add(30 * time.Second)
		for p.Token() == before && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
		}
		assert.NotEqual(t, before, p.Token(), "nobody has met the end of the token")
	}
	close(done)
	wg.Wait()
	require.Equal(t, 2, revoked)
}

// A request signed with the former key works while the key is being changed, and not after.
func TestKeysChange(t *testing.T) {
	server := sharedServer(t)
	const old, next stacksync.Secret = "the old master key, 32 characters", "the new master key, 32 characters"
	with := func(keys ...stacksync.Secret) *swift.Storage {
		c := configOf(server)
		c.Prefix, c.Signing = "keys-", &swift.Signing{Keys: keys, Remembered: time.Nanosecond} // there is one proxy
		return open(t, c)
	}
	first := with(old)
	create(t, first, "c")
	require.NoError(t, write(t.Context(), first, "c", "a", strings.NewReader("hello"), 5))
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	sign := func(s *swift.Storage) func() int {
		r, err := signerOf(t, s).SignChunks(t.Context(), stacksync.SignChunksParams{
			Container: "c", Method: stacksync.Get, Chunks: []stacksync.Chunk{{Name: "a"}}, Lifetime: time.Minute,
		})
		require.NoError(t, err)
		return func() int {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.Requests[0].URL, http.NoBody)
			require.NoError(t, err)
			res, err := transport.RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			return res.StatusCode
		}
	}
	byOld := sign(first)
	require.Equal(t, http.StatusOK, byOld())
	byBoth := sign(with(old, next))
	require.Equal(t, http.StatusOK, byOld())
	require.Equal(t, http.StatusOK, byBoth())
	byNext := sign(with(next, old))
	for _, get := range []func() int{byOld, byBoth, byNext} {
		require.Equal(t, http.StatusOK, get())
	}
	last := sign(with(next))
	require.Equal(t, http.StatusUnauthorized, byOld())
	require.Equal(t, http.StatusOK, byNext())
	require.Equal(t, http.StatusOK, last())
}

// Many clusters give "member" rights to everything in its project: such an account is refused, and none is left.
func TestServerWhereMembersAreOperators(t *testing.T) {
	t.Parallel()
	server := ownServer(t, ostest.Options{Operators: []string{"member"}})
	t.Run("account", func(t *testing.T) { accountOfOperator(t, server) })
	t.Run("proxy restarts", func(t *testing.T) { proxyRestarts(t, server) })
}

func accountOfOperator(t *testing.T, server *ostest.Server) {
	put := func(a swift.Accounts, account string, ifExists bool) error {
		c := configOf(server)
		c.Accounts = &a
		provisioner, ok := stacksync.As[stacksync.AccountProvisioner](open(t, c))
		require.True(t, ok)
		_, err := provisioner.PutAccount(t.Context(), stacksync.PutAccountParams{Account: account, Secret: "0123456789abcdef", IfExists: ifExists})
		return err
	}
	exists := func(account string) bool {
		client, err := server.Identity(t.Context())
		require.NoError(t, err)
		page, err := users.List(client, users.ListOpts{Name: account}).AllPages(t.Context())
		require.NoError(t, err)
		list, err := users.ExtractUsers(page)
		require.NoError(t, err)
		return len(list) > 0
	}
	operators := swift.Accounts{Project: server.Project, Role: "member"}
	for range 2 {
		err := put(operators, "alice", false)
		require.ErrorContains(t, err, `role "member" in project "stacksync"`)
		require.NotContains(t, err.Error(), "0123456789abcdef")
		require.False(t, exists("alice"))
	}
	require.NoError(t, put(operators, "alice", true), "there is none")

	require.NoError(t, put(*accountsOf(server, ""), "alice", false), "in a project of their own they reach nothing")
	require.ErrorContains(t, put(operators, "alice", true), "operator_roles", "by another process, and of an account that exists")
	require.True(t, exists("alice"), "it was not made just now")
	_, err := logIn(t, server, "alice", "0123456789abcdef")
	require.Error(t, err, "the role is taken away")
	others := swift.Accounts{Project: server.Project, Role: "reader"}
	require.NoError(t, put(others, "bob", false), "a role that Swift gives no rights to")
	require.True(t, exists("bob"))
}

// Swift goes away for a moment: calls wait for it.
func proxyRestarts(t *testing.T, server *ostest.Server) {
	s := open(t, configOf(server))
	create(t, s, "c")
	require.NoError(t, server.StopProxy())
	restarted := make(chan error, 1)
	go func() { restarted <- server.Restart(context.Background()) }()
	require.Eventually(t, func() bool {
		return write(t.Context(), s, "c", "a", strings.NewReader("hello"), 5) == nil
	}, time.Minute, 100*time.Millisecond)
	require.NoError(t, <-restarted)
	r, err := s.StatChunks(t.Context(), stacksync.StatChunksParams{Container: "c", Names: []string{"a"}})
	require.NoError(t, err)
	require.Equal(t, []stacksync.Chunk{{Name: "a", Size: 5}}, r.Chunks)
}

// A container's list holds so many accounts; more are refused, and the list stays.
func TestTooManyAccounts(t *testing.T) {
	server := sharedServer(t)
	c := configOf(server)
	c.Prefix, c.Accounts = "many-", accountsOf(server, "many-")
	s := open(t, c)
	create(t, s, "c")
	a, ok := stacksync.As[stacksync.AccountProvisioner](s)
	require.True(t, ok)
	var grants []stacksync.Grant
	for i := range 130 {
		grants = append(grants, stacksync.Grant{Account: fmt.Sprintf("u%d", i), Permission: stacksync.ReadWrite})
	}
	var wg sync.WaitGroup
	for part := range 8 {
		wg.Go(func() {
			for i := part; i < len(grants); i += 8 {
				_, err := a.PutAccount(t.Context(), stacksync.PutAccountParams{Account: grants[i].Account, Secret: "0123456789abcdef"})
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	res, err := a.SetAccess(t.Context(), stacksync.SetAccessParams{Container: "c", Grants: grants[:120]})
	require.NoError(t, err)
	require.Empty(t, res.Omitted, "a list of 120 is the length that Swift takes")
	res, err = a.SetAccess(t.Context(), stacksync.SetAccessParams{Container: "c", Grants: grants})
	require.NoError(t, err)
	require.NotEmpty(t, res.Omitted)
	require.LessOrEqual(t, len(res.Omitted), 10)
	for i, account := range res.Omitted {
		require.Equal(t, grants[len(grants)-len(res.Omitted)+i].Account, account, "the first ones are listed")
	}
}

// A chunk that was brought with an end stays once somebody has asked for it, and so do its copies.
func TestEndOfAChunkIsTakenAway(t *testing.T) {
	server := sharedServer(t)
	c := configOf(server)
	c.Prefix, c.Signing = "end-", &swift.Signing{Keys: []stacksync.Secret{masterKey}}
	s := open(t, c)
	create(t, s, "c")
	create(t, s, "d")
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	send := func(method stacksync.Method, container, name, after string) http.Header {
		r, err := signerOf(t, s).SignChunks(t.Context(), stacksync.SignChunksParams{
			Container: container, Method: method, Chunks: []stacksync.Chunk{{Name: name, Size: 5}}, Lifetime: time.Minute,
		})
		require.NoError(t, err)
		var content io.Reader = http.NoBody
		if method == stacksync.Put {
			content = strings.NewReader("hello")
		}
		req, err := http.NewRequestWithContext(t.Context(), string(method), r.Requests[0].URL, content)
		require.NoError(t, err)
		if after != "" {
			req.Header.Set("X-Delete-After", after)
		}
		res, err := transport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Less(t, res.StatusCode, 300)
		return res.Header
	}
	end := func(container, name string) string {
		return send(stacksync.Get, container, name, "").Get("X-Delete-At")
	}
	for _, name := range []string{"a", "b"} {
		send(stacksync.Put, "c", name, "3600")
		require.NotEmpty(t, end("c", name))
	}
	r, err := s.StatChunks(t.Context(), stacksync.StatChunksParams{Container: "c", Names: []string{"a"}})
	require.NoError(t, err)
	require.Equal(t, []stacksync.Chunk{{Name: "a", Size: 5}}, r.Chunks)
	require.Empty(t, end("c", "a"))
	_, err = s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: "c", To: "d", Names: []string{"a", "b"}})
	require.NoError(t, err)
	require.NotEmpty(t, end("c", "b"), "nobody has asked for it")
	for _, name := range []string{"a", "b"} {
		require.Empty(t, end("d", name))
	}
	require.NoError(t, write(t.Context(), s, "c", "b", strings.NewReader("hello"), 5))
	require.Empty(t, end("c", "b"))
}
