//go:build unix

// Package openstack runs an OpenStack Swift with a Keystone for tests and demonstrations: one node, on free ports of 127.0.0.1, with all
// its data in a private folder, so that any number of processes can each have one. Nothing of it outlives the process.
//
// It has a project with a user who may do everything in it, as a host of the library would have: see Server. It runs as root and as any
// other user; the file system of the folder for temporary files must take extended attributes of users, as ext4, XFS and btrfs do. It
// does not wait for the disk: its data survives a crash of its programs, not of the machine.
package openstack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go/internal/child"
)

// Options configure a Server. The zero value works.
type Options struct {
	// TokenLifetime is how long a token is good for, in whole seconds. Defaults to an hour.
	TokenLifetime time.Duration
	// TokenCache is how long Swift believes what Keystone has said of a token, in whole seconds: so long do tokens work that were
	// revoked. Defaults to asking each time, which takes 10 to 20 ms a request.
	TokenCache time.Duration
	// Workers is how many processes Swift's proxy has. Defaults to 1.
	Workers int
	// Operators are roles that may do everything in their project's account, besides admin and swiftoperator. Many a cluster has
	// "member" among them.
	Operators []string
	// Without names filters to leave out of Swift's proxy: bulk, tempurl, …
	Without []string
}

// Server is a Swift with its Keystone. Its methods may be called from many goroutines.
type Server struct {
	AuthURL string // of Keystone, version 3
	// StorageURL is the URL of Project's account in Swift, without a slash at its end.
	StorageURL string
	Region     string
	Domain     string // of the users and projects
	Project    string
	// User may do everything in Project, and is an administrator of the cloud: it can make users.
	User, Password string
	// UserProject is one where nobody has a role yet, for users who are not to reach Project.
	UserProject string

	conf  config
	group *child.Group

	mu     sync.Mutex
	procs  map[string]*child.Process
	closed bool
}

const (
	region   = "RegionOne"
	domain   = "Default"
	patience = time.Minute // for each program to start, also on a machine that does much else
)

// Start starts a Server, which takes about 6 seconds, most of them of two processors. If ctx ends before, it is stopped. Close the Server
// at the end.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := Find(); err != nil {
		return nil, err
	}
	const tries = 3 // another process may take a port that was free
	var err error
	for range tries {
		var s *Server
		if s, err = start(ctx, o); err == nil {
			return s, nil
		}
		if ctx.Err() != nil || !child.InUse(err) {
			break
		}
	}
	return nil, fmt.Errorf("start Swift: %w", errors.Join(ctx.Err(), err))
}

func start(ctx context.Context, o Options) (*Server, error) {
	conf, err := newConfig(o)
	if err != nil {
		return nil, err
	}
	group, err := child.New("openstack")
	if err != nil {
		return nil, err
	}
	conf.Folder = group.Folder
	s := &Server{
		AuthURL: fmt.Sprintf("http://127.0.0.1:%d/v3", conf.Keystone), Region: region, Domain: domain,
		Project: "stacksync", UserProject: userProject, User: "stacksync_admin", Password: password(),
		conf: conf, group: group, procs: map[string]*child.Process{},
	}
	if err := s.create(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) create(ctx context.Context) error {
	if err := s.conf.write(); err != nil {
		return err
	}
	admin := password()
	// Keystone's program loads while its database is made.
	if err := s.run(keystone, memcached); err != nil {
		return err
	}
	made := make(chan error, 1)
	go func() {
		made <- s.setUp(ctx, "keystone", s.conf.file("keystone.conf"), s.conf.file("keystone.db"), admin, region, s.AuthURL)
	}()
	err := s.setUp(ctx, "rings", s.conf.Folder, fmt.Sprint(s.conf.Account), fmt.Sprint(s.conf.Container), fmt.Sprint(s.conf.Object))
	if err == nil {
		err = s.run(storages...)
	}
	if err == nil {
		err = s.run(proxy)
	}
	if err := errors.Join(err, <-made); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	return s.populate(ctx, admin)
}

// setUp runs setup.py.
func (s *Server) setUp(ctx context.Context, args ...string) error {
	cmd, err := python(ctx, slices.Concat([]string{"-c", setupScript}, args)...)
	if err != nil {
		return err
	}
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("set up %s: %w\n%s", args[0], err, out)
	}
	return nil
}

// ready waits until all programs answer.
func (s *Server) ready(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, url := range map[string]string{
		keystone: s.AuthURL, proxy: fmt.Sprintf("http://127.0.0.1:%d/healthcheck", s.conf.Proxy),
		"account":   fmt.Sprintf("http://127.0.0.1:%d/recon/version", s.conf.Account),
		"container": fmt.Sprintf("http://127.0.0.1:%d/recon/version", s.conf.Container),
		"object":    fmt.Sprintf("http://127.0.0.1:%d/recon/version", s.conf.Object),
	} {
		p := s.procs[name]
		if p == nil {
			continue
		}
		var ended error
		err := p.Ready(patience, func() error {
			ended = ctx.Err()
			if ended == nil {
				return answers(ctx, url)
			}
			return nil
		})
		if err := errors.Join(ended, err); err != nil {
			return err
		}
	}
	return nil
}

// answers returns nil if somebody does, whatever it says: the storage daemons say that there is no such path.
func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	req.Close = true // leaves no connection behind
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// Close stops the server and removes its data. A second Close does nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(s.kill(all()...), s.group.Close())
}
