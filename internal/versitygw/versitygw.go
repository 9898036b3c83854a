//go:build unix

// Package versitygw starts an S3 server for tests and demonstrations: [Versity S3 Gateway] over a private folder, with accounts of its
// own. It listens on 127.0.0.1, on a port that is free.
//
// The folder must be on a file system with user xattrs, in which the server keeps what S3 knows of objects beside their content:
// ext4, XFS, Btrfs, and tmpfs since Linux 6.6.
//
// [Versity S3 Gateway]: https://github.com/versity/versitygw
package versitygw

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"debug/buildinfo"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go/internal/child"
)

const (
	startLimit = time.Minute // on a machine that does much else; it takes 0.1 s
	region     = "us-east-1"
)

// Options configure a Server. The zero value works.
type Options struct {
	// Region is the one that requests are signed for. Defaults to us-east-1.
	Region string
	// TLS has the server speak HTTPS only, by a certificate that CA vouches for.
	TLS bool
	// Versions lets buckets be made to keep versions of their objects.
	Versions bool
}

// Server is a server that Start has started. Stop, Restart and Close are not to be called concurrently; all else may be.
type Server struct {
	// Endpoint is host:port.
	Endpoint string
	Region   string
	// AccessKey and SecretKey are those of the root account, made for this server.
	AccessKey, SecretKey string
	// CA is who vouches for the server; nil without TLS.
	CA *x509.CertPool

	path  string   // of the program
	tls   []string // its arguments for TLS
	posix []string // and for its storage
	group *child.Group
	http  *http.Client

	mu      sync.Mutex
	process *child.Process // nil while it does not run
}

// Start starts a server, and returns when it answers. Where there is none its error wraps a *[missing.Service]. The caller closes it.
func Start(ctx context.Context, o Options) (*Server, error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	group, err := child.New("versitygw")
	if err != nil {
		return nil, fmt.Errorf("make a folder for versitygw: %w", err)
	}
	s := &Server{
		Region:    o.Region,
		AccessKey: "root" + strings.ToLower(rand.Text()), SecretKey: rand.Text(),
		path: path, group: group,
	}
	if s.Region == "" {
		s.Region = region
	}
	if o.TLS {
		var cert, key string
		s.CA, cert, key, err = certify(group.Folder)
		s.tls = []string{"--cert", cert, "--key", key}
	}
	if o.Versions {
		s.posix = []string{"--versioning-dir", filepath.Join(group.Folder, "versions")}
		err = errors.Join(err, os.Mkdir(s.posix[1], 0o700))
	}
	s.http = &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: startLimit, TLSClientConfig: &tls.Config{RootCAs: s.CA, MinVersion: tls.VersionTLS12}}}
	if err == nil {
		err = child.OnFreePort(func(port int) error {
			s.Endpoint = fmt.Sprintf("127.0.0.1:%d", port)
			return s.start(ctx)
		})
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// URL is where the server is, with its scheme.
func (s *Server) URL() string {
	if s.CA != nil {
		return "https://" + s.Endpoint
	}
	return "http://" + s.Endpoint
}

func (s *Server) start(ctx context.Context) error {
	data, iam := filepath.Join(s.group.Folder, "data"), filepath.Join(s.group.Folder, "iam")
	for _, folder := range []string{data, iam} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("start versitygw: %w", err)
		}
	}
	// Its cache of accounts mixes them up when several are changed at once (1.8.0): it keeps strings of requests that are over.
	args := append([]string{"--iam-cache-disable", "--port", s.Endpoint, "--region", s.Region, "--health", s.healthPath(), "--iam-dir", iam, "--quiet"}, s.tls...)
	cmd := exec.Command(s.path, slices.Concat(args, []string{"posix"}, s.posix, []string{data})...)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey) // not among its arguments, which every user sees
	process, err := s.group.Start(program, cmd)
	if err != nil {
		return fmt.Errorf("start versitygw: %w", err)
	}
	ended := false
	err = process.Ready(startLimit, func() error {
		if ended = ctx.Err() != nil; ended {
			return nil
		}
		return s.health(ctx)
	})
	if ended {
		err = ctx.Err()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start versitygw: %w", err), process.Kill())
	}
	s.mu.Lock()
	s.process = process
	s.mu.Unlock()
	return nil
}

// healthPath is no other server's: one that has the port does not answer in this one's place.
func (s *Server) healthPath() string { return "/health-" + filepath.Base(s.group.Folder) }

func (s *Server) health(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+s.healthPath(), http.NoBody)
	if err != nil {
		return err
	}
	answer, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", s.healthPath(), answer.Status)
	}
	return nil
}

// Stop crashes the server: it answers nobody any more. Its data stays for Restart.
func (s *Server) Stop() error {
	s.mu.Lock()
	process := s.process
	s.process = nil
	s.mu.Unlock()
	s.http.CloseIdleConnections()
	if process == nil {
		return nil
	}
	return process.Kill()
}

// Restart starts the server again, on the same port and over the same data; one that runs is stopped first.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(); err != nil {
		return err
	}
	return s.start(ctx)
}

// Close stops the server and removes all it has. It is called once.
func (s *Server) Close() error {
	s.http.CloseIdleConnections()
	if err := s.group.Close(); err != nil {
		return fmt.Errorf("close versitygw: %w", err)
	}
	return nil
}

// Version returns the version of the program that Start starts. Where there is none its error wraps a *[missing.Service].
func Version(ctx context.Context) (string, error) {
	path, err := find()
	if err != nil {
		return "", err
	}
	// What go install has built does not know its own version, but has it from the linker.
	if info, err := buildinfo.ReadFile(path); err == nil && strings.HasPrefix(info.Main.Version, "v") {
		return info.Main.Version, nil
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask versitygw for its version: %w", err)
	}
	return strings.Join(strings.Fields(string(out)), " "), nil
}
