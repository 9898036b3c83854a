// Package pgtest gives tests a real PostgreSQL: one that runs already, or one it starts from the installed binaries, in a
// private folder that is removed at the end. [Proxy] stands before a server and breaks connections where a test says so.
//
// Tests of a package share one server, each with a schema of its own, and TestMain stops it:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestStore(t *testing.T) {
//		server := pgtest.Shared(t)
//		open(t, server.DSN(), server.Schema(t))
//	}
//
// A test that crashes or configures its server starts one of its own with [Start].
//
// A started server listens on 127.0.0.1 only and trusts who connects; its user is postgres, its database too. Text sorts
// as people sort it (ICU's en) where the server can, not by bytes: a query that needs the order of bytes must ask for
// it, as in a host's database. A server does not outlive its test process, however that ends: see guard.
package pgtest

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
)

// The environment variables that tell tests which server to use, and whether they may do without.
const (
	// EnvDSN holds the DSN of a server that runs already, of a user who may create schemas:
	// postgres://user:password@host:port/database?sslmode=disable. Tests then start no server to share.
	EnvDSN = "STACKSYNC_TEST_POSTGRES"
	// EnvBin holds the folder of pg_ctl, initdb and postgres, for tests on another version than the installed one: .ci/run versions
	// sets it. The user who runs the server (postgres, where that would be root) must be allowed to read it.
	EnvBin = "STACKSYNC_TEST_POSTGRES_BIN"
	// EnvRequire, set to 1, makes a test fail that would be skipped for want of a server.
	EnvRequire = "STACKSYNC_REQUIRE_SERVICES"
)

// Server is a PostgreSQL server for tests. Its methods may be called concurrently, but for Kill and Restart.
type Server struct {
	dsn     *url.URL
	cluster *cluster // nil where the server was not started here
	shared  bool
	ca      *x509.CertPool
	caFile  string
}

// Options configure a server of a test's own. The zero value gives one as [Shared] does.
type Options struct {
	// Durable makes the server wait for the disk, as in production: for benchmarks, and where the machine's crash
	// matters. Without it a crash of the server still loses nothing.
	Durable bool
	// TLS makes the server accept only connections with TLS. Its certificate is for 127.0.0.1 and localhost, from an
	// authority of its own: see [Server.CA].
	TLS bool
	// Settings are further parameters of postgresql.conf, and win over this package's. Values are not quoted.
	Settings map[string]string
}

var shared struct {
	mu     sync.Mutex
	server *Server
	err    error
}

// Shared returns the server that all tests of this process share: that of STACKSYNC_TEST_POSTGRES where set, else one
// that the first call starts, and that [Stop] stops. Where PostgreSQL is not installed it skips the test, or fails it if
// STACKSYNC_REQUIRE_SERVICES is 1.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = openShared(os.Getenv(EnvDSN))
	}
	if shared.err != nil {
		unavailable(t, shared.err)
	}
	return shared.server
}

func openShared(dsn string) (*Server, error) {
	if dsn == "" {
		s, err := start(Options{})
		if err != nil {
			return nil, err
		}
		s.shared = true
		return s, nil
	}
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "" {
		return nil, errors.New(EnvDSN + " is not of the form postgres://user:password@host:port/database") // it may hold a password
	}
	return &Server{dsn: u, shared: true}, nil
}

// Stop stops the server that Shared started, if it did, and removes its folder. TestMain calls it after m.Run, and
// before it looks for leaked goroutines.
func Stop() {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server != nil && shared.server.cluster != nil {
		if err := shared.server.cluster.remove(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
		}
	}
	shared.server, shared.err = nil, nil
}

// Start starts a server of the test's own from the installed binaries, and stops it at the test's end. Without binaries
// it does as [Shared] does. It takes about a second.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := start(o)
	if err != nil {
		unavailable(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's log ends so:\n%s", s.cluster.logTail())
		}
		if err := s.cluster.remove(); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return s
}

func unavailable(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errNotInstalled) && os.Getenv(EnvRequire) != "1" {
		t.Skipf("pgtest: %v", err)
	}
	t.Fatalf("pgtest: %v", err)
}

// DSN is where the server is, as the driver takes it, with the password of STACKSYNC_TEST_POSTGRES if that has one.
// Where the server has TLS, it says sslmode=verify-full and names the file of the authority.
func (s *Server) DSN() string { return s.dsn.String() }

// CA holds the authority of the server's certificate; nil without TLS.
func (s *Server) CA() *x509.CertPool { return s.ca }

// CAFile is the path of the same authority as PEM; empty without TLS.
func (s *Server) CAFile() string { return s.caFile }

// Kill crashes the server: it answers nobody any more and writes nothing more. Its data stays for Restart.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.own(t).stop("immediate"); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
}

// Restart starts the server again, on the same port, after Kill; one that runs is shut down first. It returns when the
// server, recovered, answers.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	c := s.own(t)
	if err := c.stop("fast"); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	if err := c.start(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
}

func (s *Server) own(t testing.TB) *cluster {
	t.Helper()
	if s.shared {
		t.Fatal("pgtest: other tests use this server: stop one of your own (Start)")
	}
	return s.cluster
}
