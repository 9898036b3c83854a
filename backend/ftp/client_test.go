package ftp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"path"
	"strings"

	jlaffaye "github.com/jlaffaye/ftp"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/backendtest"
	"github.com/stacksync/stacksync-go/internal/proftpd"
)

// device is what a user's device has: an FTP client, and what Locate says.
type device struct {
	conn   *jlaffaye.ServerConn
	failed error
	folder string
	// command sends one that the library does not know, on a session of its own.
	command func(ctx context.Context, line string) error
}

// dial logs in as a device does.
func dial(t backendtest.T, server *proftpd.Server, login string, secret stacksync.Secret, at stacksync.Location) *device {
	t.Helper()
	require.Equal(t, "ftp", at.Protocol)
	require.Equal(t, "explicit", at.Settings["tls"])
	d := &device{folder: at.Settings["folder"]}
	verify := server.TLS()
	verify.ServerName = at.Settings["host"]
	verify.MaxVersion = tls.VersionTLS12 // the library closes uploads without reading the session tickets of TLS 1.3: see secureData
	conn, err := jlaffaye.Dial(net.JoinHostPort(at.Settings["host"], at.Settings["port"]),
		jlaffaye.DialWithContext(t.Context()), jlaffaye.DialWithExplicitTLS(verify))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Quit() })
	d.conn, d.failed = conn, denial(conn.Login(login, string(secret)))
	d.command = commands(t, net.JoinHostPort(at.Settings["host"], at.Settings["port"]), verify, login, secret)
	return d
}

// commands returns a function that sends commands over a session with TLS, which begins with the first.
func commands(t backendtest.T, addr string, verify *tls.Config, login string, secret stacksync.Secret) func(ctx context.Context, line string) error {
	var c *textproto.Conn
	send := func(line string) error {
		if err := c.PrintfLine("%s", line); err != nil {
			return err
		}
		code, text, err := c.ReadResponse(0) // any
		if err == nil && code >= 400 {
			err = denial(&textproto.Error{Code: code, Msg: text})
		}
		return err
	}
	return func(ctx context.Context, line string) error {
		if c != nil {
			return send(line)
		}
		raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = raw.Close() })
		c = textproto.NewConn(raw)
		if _, _, err = c.ReadResponse(220); err == nil {
			err = send("AUTH TLS")
		}
		c = textproto.NewConn(tls.Client(raw, verify))
		for _, first := range []string{"USER " + login, "PASS " + string(secret), line} {
			if err == nil {
				err = send(first)
			}
		}
		return err
	}
}

// The ways in which FTP servers bring a file's content to another place.
const (
	siteSymlink = "SITE SYMLINK"
	siteShard   = "SITE SYMLINK of a folder"
	siteCopy    = "SITE CPFR and CPTO"
	siteMove    = "RNFR and RNTO"
)

// Kinds implements backendtest.Linker.
func (*device) Kinds() []string { return []string{siteSymlink, siteShard, siteCopy, siteMove} }

// Link implements backendtest.Linker.
func (d *device) Link(ctx context.Context, kind, object string, from stacksync.Location, target string) error {
	if d.failed != nil {
		return d.failed
	}
	source, to := path.Join(from.Settings["folder"], target), d.path(object)
	if err := d.command(ctx, "NOOP"); err != nil { // logged in, so what fails is what is tried
		return err
	}
	_ = d.command(ctx, "MKD "+path.Dir(to)) // it may be there
	var lines []string
	switch kind {
	case siteSymlink:
		lines = []string{"SITE SYMLINK " + source + " " + to}
	case siteShard:
		lines = []string{"SITE SYMLINK " + path.Dir(source) + " " + path.Dir(to) + "/folder"}
	case siteCopy:
		lines = []string{"SITE CPFR " + source, "SITE CPTO " + to}
	case siteMove:
		lines = []string{"RNFR " + source, "RNTO " + to}
	}
	for _, line := range lines {
		if err := d.command(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

// denial marks a refusal. A server that hides what there is says that there is nothing.
func denial(err error) error {
	var reply *textproto.Error
	if errors.As(err, &reply) && (reply.Code == 530 || reply.Code == 550 || reply.Code == 553 || reply.Code == 450) {
		return fmt.Errorf("%w: %w", backendtest.ErrDenied, err)
	}
	return err
}

func (d *device) path(object string) string { return path.Join(d.folder, object) }

func (d *device) Get(_ context.Context, object string) ([]byte, error) {
	if d.failed != nil {
		return nil, d.failed
	}
	r, err := d.conn.Retr(d.path(object))
	if err != nil {
		return nil, denial(err)
	}
	content, err := io.ReadAll(r)
	return content, errors.Join(err, r.Close())
}

// Put does what the package comment tells clients to do.
func (d *device) Put(_ context.Context, object string, content []byte) error {
	if d.failed != nil {
		return d.failed
	}
	temp := d.path(".tmp/" + strings.ToLower(rand.Text()))
	if err := d.conn.Stor(temp, bytes.NewReader(content)); err != nil {
		return denial(err)
	}
	size, err := d.conn.FileSize(temp)
	if err != nil || size != int64(len(content)) {
		return fmt.Errorf("%d bytes were stored: %w", size, err)
	}
	if err = d.conn.Rename(temp, d.path(object)); err == nil {
		return nil
	}
	for i, c := range object {
		if c == '/' {
			_ = d.conn.MakeDir(d.path(object[:i])) // it may be there
		}
	}
	if err = d.conn.Rename(temp, d.path(object)); err == nil {
		return nil
	}
	if size, sizeErr := d.conn.FileSize(d.path(object)); sizeErr == nil && size == int64(len(content)) {
		return nil // somebody else has stored it
	}
	return denial(err)
}

func (d *device) Delete(_ context.Context, object string) error {
	if d.failed != nil {
		return d.failed
	}
	return denial(d.conn.Delete(d.path(object)))
}

func (d *device) List(context.Context) ([]string, error) {
	if d.failed != nil {
		return nil, d.failed
	}
	objects, err := d.list("")
	return objects, denial(err)
}

func (d *device) list(folder string) ([]string, error) {
	entries, err := d.conn.List(d.path(folder))
	if err != nil {
		return nil, err
	}
	var objects []string
	for _, e := range entries {
		switch name := path.Join(folder, e.Name); {
		case strings.HasPrefix(e.Name, "."):
		case e.Type == jlaffaye.EntryTypeFolder:
			below, err := d.list(name)
			if err != nil {
				return nil, err
			}
			objects = append(objects, below...)
		default:
			objects = append(objects, name)
		}
	}
	return objects, nil
}
