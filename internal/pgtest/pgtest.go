// Package pgtest gives tests a real PostgreSQL: one that runs already, or one it starts from the installed binaries, in a
// private folder that is removed at the end. [Proxy] stands before a server and breaks connections where a test says so.
//
// All packages of one go test command share one server: each has a database of its own in it, and each test a schema of its
// own in that. The first package that needs the server starts it, and it ends with the last one: see [Main].
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestStore(t *testing.T) {
//		server := pgtest.Shared(t)
//		open(t, server.DSN(), server.Schema(t))
//	}
//
// A test that crashes or configures its server starts one of its own with [Start]; so does a benchmark, since the shared server
// does not wait for the disk (fsync is off). Server-wide views, such as pg_stat_activity, show other packages' sessions too,
// with other databases.
//
// A started server listens on 127.0.0.1 only and trusts who connects; its user is postgres, and so is the database of one that
// is not shared. Text sorts
// as people sort it (ICU's en) where the server can, not by bytes: a query that needs the order of bytes must ask for
// it, as in a host's database. A server does not outlive the test processes that use it for more than 10 seconds,
// however they end: see guard and keeper.
package pgtest

import (
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/stacksync/stacksync-go/internal/missing"
)

// The environment variables that tell tests which server to use.
const (
	// EnvDSN holds the DSN of a server that runs already, of a user who may create schemas:
	// postgres://user:password@host:port/database?sslmode=disable. Tests then start no server to share.
	EnvDSN = "STACKSYNC_TEST_POSTGRES"
	// EnvBin holds the folder of pg_ctl, initdb and postgres, for tests on another version than the installed one: .ci/run versions
	// sets it. The user who runs the server (postgres, where that would be root) must be allowed to read it.
	EnvBin = "STACKSYNC_TEST_POSTGRES_BIN"
)

// Server is a PostgreSQL server for tests. Its methods may be called concurrently, but for Kill and Restart.
type Server struct {
	dsn     *url.URL
	cluster *cluster // nil where the server was not started here
	shared  bool
	// membership is the connection to the keeper of the shared server; nil without one.
	membership net.Conn
	emptied    emptied
	pristine   string // a data folder as initdb makes it, as long as this process is a member; empty: none
	ca         *x509.CertPool
	caFile     string
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

	pristine     string // the data folder is a copy of this one
	keepPristine bool   // a copy is kept of the data folder as initdb has made it
}

var shared struct {
	mu     sync.Mutex
	server *Server
	err    error
}

// Shared returns the server that all tests share: that of STACKSYNC_TEST_POSTGRES where set, else the one of this run of the
// go command, with a database for this process. TestMain has to be [Main]. Where PostgreSQL is not installed it skips the
// test, or fails it: see [missing.Require]. t must be the test that calls it.
func Shared(t testing.TB) *Server {
	t.Helper()
	if !isMain {
		t.Fatal("pgtest: TestMain has to call pgtest.Main")
	}
	s, err := sharedServer()
	missing.Require(t, err)
	return s
}

func sharedServer() (*Server, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = openShared(os.Getenv(EnvDSN))
	}
	return shared.server, shared.err
}

func openShared(dsn string) (*Server, error) {
	if err := missing.Hidden(software, howToGet); err != nil {
		return nil, err
	}
	if dsn == "" {
		return joinRun()
	}
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "" {
		return nil, errors.New(EnvDSN + " is not of the form postgres://user:password@host:port/database") // it may hold a password
	}
	return &Server{dsn: u, shared: true}, nil
}

// leave ends the use of the shared server, which ends with its last user.
func leave() error {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	s := shared.server
	shared.server, shared.err = nil, nil
	if s == nil {
		return nil
	}
	return s.leave()
}

func (s *Server) leave() error {
	switch {
	case s.membership != nil:
		return s.membership.Close()
	case s.cluster != nil:
		return s.cluster.remove()
	}
	return s.drop(s.emptied.names...)
}

// Start starts a server of the test's own from the installed binaries, and stops it at the test's end. Without binaries
// it does as [Shared] does. It takes about half a second.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if isMain && os.Getenv(EnvDSN) == "" {
		if s, err := sharedServer(); err == nil { // else starting one fails, too
			o.pristine = s.pristine
		}
	}
	s, err := start(o)
	missing.Require(t, err)
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
