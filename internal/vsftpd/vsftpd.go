//go:build unix

// Package vsftpd runs a vsftpd server for tests: FTP without TLS on 127.0.0.1, where anybody may read. Package ftp can't use this server,
// as it has no MLSD; the tests show that it says so.
package vsftpd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/stacksync/stacksync-go/internal/child"
	"github.com/stacksync/stacksync-go/internal/missing"
)

const (
	software = "vsftpd"
	install  = "apt-get install vsftpd, or beside ProFTPD: make services"
)

// User may log in with any password.
const User = "anonymous"

const (
	startWithin = time.Minute // on a machine that does much else; it takes 0.1 s

	// unpacked is where .ci/run unpacks Debian's packages, below the user's folder for caches: they can't be installed beside ProFTPD's.
	unpacked = "stacksync-go/ftp-servers"
)

// Server is a vsftpd server.
type Server struct {
	// Addr is the host:port of the control connection.
	Addr string

	group *child.Group
}

// find returns the program, and the folder of the libraries that were unpacked with it; none if it is installed.
func find() (program, libraries string, err error) {
	if err := missing.Hidden(software, install); err != nil {
		return "", "", err
	}
	if program, err = exec.LookPath("vsftpd"); err != nil {
		program, err = exec.LookPath("/usr/sbin/vsftpd")
	}
	if cache, cacheErr := os.UserCacheDir(); err != nil && cacheErr == nil {
		program, err = exec.LookPath(filepath.Join(cache, unpacked, "usr/sbin/vsftpd"))
		found, _ := filepath.Glob(filepath.Join(cache, unpacked, "usr/lib/*/libwrap.so.0"))
		if len(found) > 0 {
			libraries = filepath.Dir(found[0])
		}
	}
	if err != nil {
		return "", "", &missing.Service{Name: software, Detail: err.Error(), Install: install}
	}
	if os.Geteuid() != 0 {
		return "", "", &missing.Service{Name: software, Detail: "only root can have it confine sessions to a folder", Install: "run the tests as root"}
	}
	return program, libraries, nil
}

// Start starts a server. Close it at the end.
func Start(ctx context.Context) (*Server, error) {
	program, libraries, err := find()
	if err != nil {
		return nil, err
	}
	group, err := child.New("stacksync-vsftpd")
	if err != nil {
		return nil, err
	}
	s := &Server{group: group}
	err = child.OnFreePort(func(port int) error { return s.startOn(ctx, program, libraries, port) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start vsftpd: %w", err), group.Close())
	}
	return s, nil
}

func (s *Server) startOn(ctx context.Context, program, libraries string, port int) error {
	s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	file := func(name string) string { return filepath.Join(s.group.Folder, name) }
	if err := os.Chmod(s.group.Folder, 0o711); err != nil { // the server changes its user
		return err
	}
	for _, folder := range []string{"files", "empty"} {
		if err := os.MkdirAll(file(folder), 0o755); err != nil {
			return err
		}
	}
	// Any user with a home will do. Without the last line it fails on new kernels.
	text := fmt.Sprintf("listen=YES\nbackground=NO\nlisten_address=127.0.0.1\nlisten_port=%d\nanonymous_enable=YES\nlocal_enable=NO\n"+
		"anon_root=%s\nsecure_chroot_dir=%s\nftp_username=daemon\nseccomp_sandbox=NO\n", port, file("files"), file("empty"))
	if err := os.WriteFile(file("vsftpd.conf"), []byte(text), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(program, file("vsftpd.conf"))
	if libraries != "" {
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries)
	}
	process, err := s.group.Start("vsftpd", cmd)
	if err != nil {
		return err
	}
	return process.Ready(startWithin, func() error { return s.greeted(ctx) })
}

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
	if _, _, err := c.ReadResponse(220); err != nil {
		return err
	}
	return c.PrintfLine("QUIT")
}

// Close stops the server and removes all it has.
func (s *Server) Close() error { return s.group.Close() }
