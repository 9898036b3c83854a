//go:build unix

// Package storagetest gives tests real storage servers: one of each kind for all tests of a process, started by the first that asks for
// it, and stopped by TestMain:
//
//	func TestMain(m *testing.M) { storagetest.Main(m) }
//
//	func TestUpload(t *testing.T) {
//		server := storagetest.S3(t)
//		…
//	}
//
// Tests share what is in the server: each has to use names of its own. One that stops or configures its server starts one itself, by
// the server's package.
package storagetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/internal/missing"
	"github.com/stacksync/stacksync-go/internal/openstack"
	"github.com/stacksync/stacksync-go/internal/proftpd"
	"github.com/stacksync/stacksync-go/internal/versitygw"
)

// Starting takes 10 seconds at most on a machine that does nothing else.
const patience = 3 * time.Minute

var (
	s3    shared[*versitygw.Server]
	swift shared[*openstack.Server]
	ftp   shared[*proftpd.Server]
)

// S3 returns the S3 server. Where versitygw is not installed it skips the test, or fails it: see [missing.Require]. t must be the test
// that calls it.
func S3(t testing.TB) *versitygw.Server {
	t.Helper()
	return s3.get(t, func(ctx context.Context) (*versitygw.Server, error) {
		return versitygw.Start(ctx, versitygw.Options{})
	})
}

// Swift returns the OpenStack Swift with its Keystone. Where they are not installed it does as S3 does. A token that was revoked goes on
// working for a minute, which makes the server quicker.
func Swift(t testing.TB) *openstack.Server {
	t.Helper()
	return swift.get(t, func(ctx context.Context) (*openstack.Server, error) {
		return openstack.Start(ctx, openstack.Options{TokenCache: time.Minute})
	})
}

// FTP returns the FTP server. Where ProFTPD is not installed, or this user can't start it, it does as S3 does.
func FTP(t testing.TB) *proftpd.Server {
	t.Helper()
	return ftp.get(t, func(ctx context.Context) (*proftpd.Server, error) {
		return proftpd.Start(ctx, proftpd.Options{})
	})
}

// Main runs the tests of a package, says which servers were missing, stops those that were started, looks for leaked goroutines, and
// exits.
func Main(m *testing.M) {
	code := m.Run()
	missing.Report()
	if err := errors.Join(Stop(), goleak.Find()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Stop stops the servers that were started. A TestMain that can't be Main calls it after m.Run.
func Stop() error {
	return errors.Join(s3.stop(), swift.stop(), ftp.stop())
}

// shared is a server of all tests.
type shared[S interface {
	comparable
	Close() error
}] struct {
	mu     sync.Mutex
	server S
	err    error
}

func (s *shared[S]) get(t missing.T, start func(ctx context.Context) (S, error)) S {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var none S
	if s.server == none && s.err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience) // it outlives this test
		defer cancel()
		s.server, s.err = start(ctx)
	}
	missing.Require(t, s.err)
	return s.server
}

func (s *shared[S]) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var none S
	server := s.server
	s.server, s.err = none, nil
	if server == none {
		return nil
	}
	return server.Close()
}
