//go:build unix

package swift_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/swift"
	"github.com/stacksync/stacksync-go/internal/missing"
	"github.com/stacksync/stacksync-go/internal/openstack"
	"github.com/stacksync/stacksync-go/internal/testsize"
)

// shared is the server that tests use which stop nothing and configure nothing.
var shared struct {
	sync.Mutex
	server *openstack.Server
	err    error
}

func TestMain(m *testing.M) {
	testsize.AtOnce(8)
	code := m.Run()
	missing.Report()
	if shared.server != nil {
		if err := shared.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// sharedServer returns the server of all tests. Swift asks Keystone of a token at most every two seconds.
func sharedServer(t testing.TB) *openstack.Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		shared.server, shared.err = openstack.Start(ctx, openstack.Options{TokenCache: tokenCache, Workers: 2})
	}
	missing.Require(t, shared.err)
	return shared.server
}

const tokenCache = 2 * time.Second

// ownServer starts a server that the test may stop.
func ownServer(t testing.TB, o openstack.Options) *openstack.Server {
	t.Helper()
	s, err := openstack.Start(t.Context(), o)
	missing.Require(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func configOf(s *openstack.Server) swift.Config {
	return swift.Config{
		AuthURL: s.AuthURL, Username: s.User, Password: stacksync.Secret(s.Password), Domain: s.Domain, Project: s.Project, Region: s.Region,
	}
}

// accountsOf is how the server's users are to be made: the role is one that Keystone has from the start.
func accountsOf(s *openstack.Server, prefix string) *swift.Accounts {
	return &swift.Accounts{Prefix: prefix, Project: s.UserProject, Role: "member"}
}

type tb interface {
	require.TestingT
	Helper()
	Cleanup(func())
	Context() context.Context
}

func open(t tb, c swift.Config) *swift.Storage {
	t.Helper()
	s, err := swift.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
