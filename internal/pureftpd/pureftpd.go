//go:build unix

// Package pureftpd runs a Pure-FTPd server for tests: FTP with or without explicit TLS on 127.0.0.1, with one account, the service's.
package pureftpd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stacksync/stacksync-go/internal/certificate"
	"github.com/stacksync/stacksync-go/internal/child"
)

// Options are those of a Server.
type Options struct {
	// MostListed is after how many entries lists are cut, as the option -L says. Defaults to the server's own 10,000.
	MostListed int
	// NoDotFiles forbids to write files whose names begin with a dot, and folders too (-x).
	NoDotFiles bool
}

// Service is the account that sees everything. Its password is ServicePassword; both are the same for every Server.
const (
	Service         = "service"
	ServicePassword = "service-password-of-a-test"

	// servicePasswordHash is ServicePassword for crypt(3), with few rounds since tests log in often.
	servicePasswordHash = "$5$rounds=1000$stacksync$0E1v2Jw1B1qPfCKsotwZ/FELCHv02fNYTQW4kVcDpVA"
)

const (
	name = "pure-ftpd"
	// ids of the account, which is none of the system's own.
	uid, gid = 10001, 10001

	startWithin = time.Minute // on a machine that does much else; it takes 0.1 s
)

// Server is a Pure-FTPd server.
type Server struct {
	// Addr is the host:port of the control connection.
	Addr string
	// CAs has the authority that has signed the server's certificate, for 127.0.0.1 and localhost.
	CAs *x509.CertPool
	// Root is the folder on the disk that clients see as "/". UID and GID are those of its files.
	Root     string
	UID, GID int

	o       Options
	group   *child.Group
	process *child.Process
	port    int
}

// Start starts a server. Close it at the end.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := Find(); err != nil {
		return nil, err
	}
	group, err := child.New("stacksync-" + name)
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, group: group, UID: uid, GID: gid}
	if err = s.prepare(); err == nil {
		err = child.OnFreePort(func(port int) error {
			s.port, s.Addr = port, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
			return s.Restart(ctx)
		})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start pure-ftpd: %w", err), group.Close())
	}
	return s, nil
}

func (s *Server) file(name string) string { return filepath.Join(s.group.Folder, name) }

func (s *Server) prepare() (err error) {
	if s.CAs, err = certificate.Write(s.group.Folder); err != nil {
		return err
	}
	var both []byte // the server wants certificate and key in one file
	for _, name := range []string{certificate.KeyFile, certificate.ServerFile} {
		b, err := os.ReadFile(s.file(name))
		if err != nil {
			return err
		}
		both = append(both, b...)
	}
	if err := os.WriteFile(s.file("both.pem"), both, 0o600); err != nil {
		return err
	}
	s.Root = s.file("files")
	// The server changes to the ids of its account, which has to get through the private folder.
	if err := os.Chmod(s.group.Folder, 0o711); err != nil {
		return err
	}
	if err := os.Mkdir(s.Root, 0o700); err != nil {
		return err
	}
	if err := os.Chown(s.Root, uid, gid); err != nil {
		return err
	}
	line := fmt.Sprintf("%s:%s:%d:%d::%s/./::::::::::::\n", Service, servicePasswordHash, uid, gid, s.Root)
	if err := os.WriteFile(s.file("users"), []byte(line), 0o600); err != nil {
		return err
	}
	p, err := find()
	if err != nil {
		return err
	}
	if out, err := exec.Command(p.users, "mkdb", s.file("users.pdb"), "-f", s.file("users")).CombinedOutput(); err != nil {
		return fmt.Errorf("make the database of users: %w: %s", err, out)
	}
	return nil
}

// Restart starts the server on the same port with the same data, and stops the one that runs, if any.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(); err != nil {
		return err
	}
	p, err := find()
	if err != nil {
		return err
	}
	args := []string{
		"--bind", "127.0.0.1," + strconv.Itoa(s.port), "--ipv4only", "--dontresolve", "--noanonymous", "--chrooteveryone",
		"--login", "puredb:" + s.file("users.pdb"), "--certfile", s.file("both.pem"), "--tls", "1", "--umask", "177:077",
		"--maxclientsnumber", "200", "--maxclientsperip", "200", "--displaydotfiles", "--pidfile", s.file("daemon"),
	}
	if s.o.MostListed > 0 {
		args = append(args, "--limitrecursion", fmt.Sprintf("%d:5", s.o.MostListed))
	}
	if s.o.NoDotFiles {
		args = append(args, "--prohibitdotfileswrite")
	}
	if s.process, err = s.group.Start(name, exec.Command(p.server, args...)); err != nil {
		return err
	}
	return s.process.Ready(startWithin, func() error { return s.greeted(ctx) })
}

// greeted tells whether the server answers.
func (s *Server) greeted(ctx context.Context) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return err
	}
	c := textproto.NewConn(conn)
	defer c.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	_, greeting, err := c.ReadResponse(220)
	if err != nil {
		return err
	}
	if !strings.Contains(greeting, "Pure-FTPd") {
		return fmt.Errorf("another server answers: %s", greeting)
	}
	return c.PrintfLine("QUIT")
}

// Stop kills the server with all its sessions, as a crash does. The data stay.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	err := s.process.Kill()
	s.process = nil
	child.WaitFree(s.port)
	return err
}

// Close stops the server and removes all it has.
func (s *Server) Close() error { return errors.Join(s.Stop(), s.group.Close()) }

// TLS is how a client verifies the server.
func (s *Server) TLS() *tls.Config { return &tls.Config{RootCAs: s.CAs, MinVersion: tls.VersionTLS12} }
