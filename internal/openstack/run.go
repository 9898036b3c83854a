//go:build unix

package openstack

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"crypto/rand"

	"github.com/stacksync/stacksync-go/internal/child"
)

//go:embed setup.py
var setupScript string

//go:embed run.py
var runScript string

// The programs of a server.
const (
	keystone  = "keystone"
	memcached = "memcached"
	proxy     = "proxy"
)

var storages = []string{"account", "container", "object"}

func password() string { return rand.Text() }

func newConfig(o Options) (config, error) {
	me, err := user.Current()
	if err != nil {
		return config{}, fmt.Errorf("find out who runs the server: %w", err)
	}
	c := config{
		User: me.Username, ServicePassword: password(), TokenSeconds: 3600, CacheSeconds: -1,
		Workers: max(o.Workers, 1), Operators: strings.Join(append([]string{"admin", operatorRole}, o.Operators...), ", "),
	}
	if c.Workers == 1 {
		c.Workers = 0 // no parent process
	}
	if o.TokenLifetime > 0 {
		c.TokenSeconds = int(o.TokenLifetime.Seconds())
	}
	if o.TokenCache > 0 {
		c.CacheSeconds = int(o.TokenCache.Seconds())
	}
	for _, name := range []string{
		"catch_errors", "gatekeeper", "healthcheck", "proxy-logging", "cache", "listing_formats", "bulk", "tempurl", "authtoken", "keystoneauth",
		"copy", "slo", "dlo", "versioned_writes", "symlink", "proxy-logging", "proxy-server",
	} {
		if slices.Contains(o.Without, name) {
			continue
		}
		c.Pipeline += name + " "
		switch name {
		case "proxy-logging", "cache", "authtoken", "keystoneauth", "proxy-server": // have settings of their own
		default:
			c.Filters = append(c.Filters, name)
		}
	}
	for _, port := range []*int{&c.Keystone, &c.Proxy, &c.Memcached, &c.Account, &c.Container, &c.Object} {
		if *port, err = child.FreePort(); err != nil {
			return config{}, fmt.Errorf("find a free port: %w", err)
		}
	}
	return c, nil
}

func (s *Server) command(name string) (*exec.Cmd, error) {
	switch name {
	case memcached:
		args := []string{"-l", "127.0.0.1", "-p", strconv.Itoa(s.conf.Memcached), "-U", "0", "-m", "64"}
		if os.Geteuid() == 0 {
			args = append(args, "-u", s.conf.User) // else it refuses
		}
		return exec.Command("memcached", args...), nil
	case keystone:
		script, err := exec.LookPath("keystone-wsgi-public")
		if err != nil {
			return nil, err
		}
		// Without the header uwsgi breaks a POST on a connection that is used again. With a second process SQLite refuses a transaction that
		// reads and then writes, as a failed login does, at once when another has written meanwhile; Keystone then breaks the connection.
		cmd := exec.Command("uwsgi", "--http-socket", "127.0.0.1:"+strconv.Itoa(s.conf.Keystone), "--plugin", "python3", "--wsgi-file", script,
			"--processes", "1", "--threads", "1", "--master", "--lazy-apps", "--buffer-size", "65535", "--add-header", "Connection: close",
			"--socket-timeout", "60", "--need-app", "--die-on-term", "--disable-logging")
		cmd.Env = append(os.Environ(), "OS_KEYSTONE_CONFIG_DIR="+s.conf.Folder, "OS_KEYSTONE_CONFIG_FILES=keystone.conf")
		return cmd, nil
	default: // a daemon of Swift's
		program, err := exec.LookPath("swift-" + name + "-server")
		if err != nil {
			return nil, err
		}
		return python(context.Background(), "-c", runScript, program, s.conf.file(name+".conf"), "-v")
	}
}

// run starts programs, but for those that run.
func (s *Server) run(names ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if s.closed {
			return errors.New("the server is closed")
		}
		if s.procs[name] != nil {
			continue
		}
		cmd, err := s.command(name)
		if err != nil {
			return err
		}
		p, err := s.group.Start(name, cmd)
		if err != nil {
			return err
		}
		s.procs[name] = p
	}
	return nil
}

// kill ends programs without asking, those that run. The caller holds mu.
func (s *Server) kill(names ...string) error {
	var errs []error
	for _, name := range names {
		if p := s.procs[name]; p != nil {
			delete(s.procs, name)
			errs = append(errs, p.Kill())
			child.WaitFree(s.port(name))
		}
	}
	return errors.Join(errs...)
}

// port is where a program listens.
func (s *Server) port(name string) int {
	return map[string]int{
		keystone: s.conf.Keystone, proxy: s.conf.Proxy, memcached: s.conf.Memcached,
		"account": s.conf.Account, "container": s.conf.Container, "object": s.conf.Object,
	}[name]
}

func all() []string { return slices.Concat([]string{proxy, keystone, memcached}, storages) }

// Stop ends all programs as a crash does. The data stays, for Restart. It may be called again.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.kill(all()...); err != nil {
		return fmt.Errorf("stop Swift: %w", err)
	}
	return nil
}

// StopProxy ends Swift's proxy only: Keystone goes on, and Restart takes a second or two.
func (s *Server) StopProxy() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.kill(proxy); err != nil {
		return fmt.Errorf("stop Swift's proxy: %w", err)
	}
	return nil
}

// StopKeystone ends Keystone only, and what it and Swift keep in memory of tokens.
func (s *Server) StopKeystone() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.kill(keystone, memcached); err != nil {
		return fmt.Errorf("stop Keystone: %w", err)
	}
	return nil
}

// Restart starts what does not run, with the same ports and data, and returns when all of it answers.
func (s *Server) Restart(ctx context.Context) error {
	err := s.run(all()...)
	if err == nil {
		err = s.ready(ctx)
	}
	if err != nil {
		return fmt.Errorf("restart Swift: %w", err)
	}
	return nil
}
