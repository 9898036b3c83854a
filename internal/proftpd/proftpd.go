//go:build unix

// Package proftpd runs a ProFTPD server for tests, configured as the package comment of backend/ftp asks for: FTP with explicit TLS on
// 127.0.0.1, users in an AuthUserFile, rights in .ftpaccess files.
package proftpd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stacksync/stacksync-go/internal/certificate"
	"github.com/stacksync/stacksync-go/internal/child"
)

// Options are those of a Server. The zero value is a server that refuses to log anybody in without TLS.
type Options struct {
	// TLSOptional lets clients log in, and transfer data, without TLS.
	TLSOptional bool
	// SessionReuse refuses data connections that do not resume the TLS session of the control connection, as ProFTPD does unless told
	// otherwise.
	SessionReuse bool
	// NoCopy leaves mod_copy out.
	NoCopy bool
	// NoMLSD makes a server that has only LIST.
	NoMLSD bool
	// MaxClients is the most connections at a time; 0 means no limit.
	MaxClients int
}

// Service is the account that sees everything. Its password is ServicePassword; both are the same for every Server.
const (
	Service         = "service"
	ServicePassword = "service-password-of-a-test"
)

const (
	name = "proftpd"
	// ids of the accounts: as none is in the system's own files, all are the same to the file system.
	uid, gid = 10001, 10001

	startWithin = time.Minute // on a machine that does much else; it takes 0.1 s
)

// Server is a ProFTPD server.
type Server struct {
	// Addr is the host:port of the control connection.
	Addr string
	// Port is that of Addr.
	Port int
	// CAs has the authority that has signed the server's certificate, for 127.0.0.1 and localhost. CAFile has it as PEM.
	CAs    *x509.CertPool
	CAFile string
	// Root is the folder on the disk that clients see as "/".
	Root string
	// Users is the AuthUserFile. UID and GID are those of its accounts.
	Users    string
	UID, GID int

	o       Options
	group   *child.Group
	process *child.Process
	pid     int
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
		err = child.OnFreePort(func(port int) error { return s.startOn(ctx, port) })
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start proftpd: %w", err), group.Close())
	}
	return s, nil
}

func (s *Server) file(name string) string { return filepath.Join(s.group.Folder, name) }

func (s *Server) prepare() (err error) {
	if s.CAs, err = certificate.Write(s.group.Folder); err != nil {
		return err
	}
	s.CAFile, s.Users, s.Root = s.file(certificate.CAFile), s.file("passwd"), s.file("files")
	// The server changes to the ids of its accounts, which have to get through the private folder.
	if err := os.Chmod(s.group.Folder, 0o711); err != nil {
		return err
	}
	if err := os.Mkdir(s.Root, 0o700); err != nil {
		return err
	}
	if err := os.Chown(s.Root, uid, gid); err != nil {
		return err
	}
	line := fmt.Sprintf("%s:%s:%d:%d::/:/bin/false\n", Service, servicePasswordHash, uid, gid)
	if err := os.WriteFile(s.Users, []byte(line), 0o600); err != nil {
		return err
	}
	return nil
}

func (s *Server) startOn(ctx context.Context, port int) error {
	s.Port, s.Addr = port, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := os.WriteFile(s.file("proftpd.conf"), []byte(s.config()), 0o600); err != nil {
		return err
	}
	return s.Restart(ctx)
}

// serverName is in the server's greeting, and no other server's.
func (s *Server) serverName() string { return filepath.Base(s.group.Folder) }

// Restart starts the server on the same port with the same data, and stops the one that runs, if any.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(); err != nil {
		return err
	}
	program, err := find()
	if err != nil {
		return err
	}
	cmd := exec.Command(program, "--nodaemon", "--config", s.file("proftpd.conf"))
	if s.process, err = s.group.Start(name, cmd); err != nil {
		return err
	}
	s.pid = cmd.Process.Pid
	return s.process.Ready(startWithin, func() error { return s.greeted(ctx) })
}

// greeted tells whether the server answers, and not another one that has its port.
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
	if !strings.Contains(greeting, "("+s.serverName()+")") {
		return fmt.Errorf("another server answers: %s", greeting)
	}
	return c.PrintfLine("QUIT")
}

// Stop kills the server with all its sessions, as a crash does. The data stay.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	// The server moves its sessions to process groups of their own, which have to be found while their parent lives and makes no more.
	s.freeze()
	var errs []error
	for _, pid := range s.sessions() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("kill a session: %w", err))
		}
	}
	errs = append(errs, s.process.Kill())
	s.process = nil
	return errors.Join(errs...)
}

// Close stops the server and removes all it has.
func (s *Server) Close() error { return errors.Join(s.Stop(), s.group.Close()) }

// Log returns the end of what the server has logged.
func (s *Server) Log() string {
	const most = 8 << 10
	b, err := os.ReadFile(s.file("system.log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}

// TLS is how a client verifies the server.
func (s *Server) TLS() *tls.Config { return &tls.Config{RootCAs: s.CAs, MinVersion: tls.VersionTLS12} }

// EndSessions ends the sessions of a user, as a host may do it: it asks ftpwho who is there.
func (s *Server) EndSessions(ctx context.Context, login string) error {
	out, err := exec.CommandContext(ctx, "ftpwho", "--file", s.file("scoreboard"), "--outform", "json").Output()
	if err != nil {
		return fmt.Errorf("ask ftpwho for the sessions of %s: %w", login, err)
	}
	var who struct {
		Connections []struct {
			PID  int    `json:"pid"`
			User string `json:"user"`
		} `json:"connections"`
	}
	if err := json.Unmarshal(out, &who); err != nil {
		return fmt.Errorf("read what ftpwho says: %w", err)
	}
	for _, c := range who.Connections {
		if c.User != login || c.PID <= 1 {
			continue
		}
		if err := syscall.Kill(c.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end a session of %s: %w", login, err)
		}
	}
	return nil
}
