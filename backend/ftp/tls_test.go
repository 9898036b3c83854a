package ftp_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/ftp"
	"github.com/stacksync/stacksync-go/internal/proftpd"
	"github.com/stacksync/stacksync-go/internal/storagetest"
)

func TestServerIsVerified(t *testing.T) {
	t.Parallel()
	server := storagetest.FTP(t)
	c := configOf(server)
	c.TLS = nil
	_, err := ftp.Open(t.Context(), c)
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown, "the system's authorities")
	c.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	_, err = ftp.Open(t.Context(), c)
	require.ErrorAs(t, err, &unknown)
	c.TLS = server.TLS()
	c.TLS.ServerName = "another.example"
	_, err = ftp.Open(t.Context(), c)
	var name x509.HostnameError
	require.ErrorAs(t, err, &name)
	c = configOf(server)
	c.Addr = strings.Replace(c.Addr, "127.0.0.1", "localhost", 1)
	open(t, c)
}

// TestNoPasswordWithoutTLS: a server, or who is in between, that wants no TLS or has a bad certificate never sees the password.
func TestNoPasswordWithoutTLS(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]string{
		"refuses TLS": "502 no\r\n", "goes on without": "234 go\r\n230 logged in\r\n", "ends": "", "talks nonsense": "234 go\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			heard := make(chan string, 100)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = io.WriteString(c, "220 hello\r\n")
					lines := bufio.NewReader(c)
					line, _ := lines.ReadString('\n')
					_, _ = io.WriteString(c, reply)
					rest := make([]byte, 1000)
					n, _ := lines.Read(rest)
					_, _ = io.WriteString(c, "331 password, please\r\n")
					heard <- line + string(rest[:n])
					_ = c.Close()
				}
			}()
			_, err = ftp.Open(t.Context(), ftp.Config{Addr: l.Addr().String(), User: "somebody", Password: "the password", Silence: time.Second})
			require.Error(t, err)
			require.NoError(t, l.Close())
			<-done
			close(heard)
			for text := range heard {
				require.True(t, strings.HasPrefix(text, "AUTH TLS\r\n"), "%q", text)
				require.NotContains(t, text, "USER")
				require.NotContains(t, text, "the password")
			}
		})
	}
}

func TestSessionReuse(t *testing.T) {
	t.Parallel()
	s := open(t, configOf(start(t, proftpd.Options{SessionReuse: true})))
	create(t, s, container)
	for i := range 10 {
		name := fmt.Sprint(i)
		require.NoError(t, write(t.Context(), s, container, name, "content"), "a data connection that does not resume the session is refused")
		_, err := read(t.Context(), s, container, name)
		require.NoError(t, err)
	}
	require.Len(t, stored(t, s, container), 10)
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*ftp.Config){
		"Addr":        func(c *ftp.Config) { c.Addr = "nowhere" },
		"User":        func(c *ftp.Config) { c.User = "" },
		"Password":    func(c *ftp.Config) { c.Password = "a\r\nDELE x" },
		"Folder":      func(c *ftp.Config) { c.Folder = "a\nb" },
		"MaxConns":    func(c *ftp.Config) { c.MaxConns = 1 },
		"IdleTimeout": func(c *ftp.Config) { c.IdleTimeout = -1 },
		"Silence":     func(c *ftp.Config) { c.Silence = -1 },
		"Plain":       func(c *ftp.Config) { c.Plain, c.TLS = true, &tls.Config{} },
		"TLS":         func(c *ftp.Config) { c.TLS = &tls.Config{InsecureSkipVerify: true} },
	} {
		c := ftp.Config{Addr: "127.0.0.1:1", User: "u", Password: "p"}
		change(&c)
		_, err := ftp.Open(t.Context(), c)
		var fieldError *stacksync.FieldError
		require.ErrorAs(t, err, &fieldError, field)
		require.Equal(t, field, fieldError.Field)
	}
}

func TestServerIsNotEnough(t *testing.T) {
	t.Parallel()
	server := start(t, proftpd.Options{NoMLSD: true})
	_, err := ftp.Open(t.Context(), configOf(server))
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "MLSD")
	c := configOf(storagetest.FTP(t))
	c.Folder = "/missing"
	_, err = ftp.Open(t.Context(), c)
	require.ErrorContains(t, err, "look for folder /missing")
}

// TestNoSecrets: neither logs nor errors nor a Config or Storage that is printed has a password.
func TestNoSecrets(t *testing.T) {
	t.Parallel()
	const secret = "secret-0123456789-of-a-user"
	var log bytes.Buffer
	server := start(t, proftpd.Options{TLSOptional: true})
	c := withAccounts(server)
	c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p := newProxy(t, server.Addr)
	c.Addr, c.Plain, c.TLS = p.addr(), true, nil
	bad := c
	bad.Password = secret
	p.set(func(p *proxy) { p.reply = echo })
	_, err := ftp.Open(t.Context(), bad)
	require.ErrorContains(t, err, "log in as service")
	require.ErrorContains(t, err, "PASS [secret]", "the test's server repeats what it is told")
	p.set(func(p *proxy) { p.reply = nil })
	s := open(t, c)
	accounts, ok := stacksync.As[stacksync.AccountProvisioner](s)
	require.True(t, ok)
	_, putErr := accounts.PutAccount(t.Context(), stacksync.PutAccountParams{Account: proftpd.Service, Secret: secret})
	require.ErrorIs(t, putErr, stacksync.ErrInvalid, "the service's own account")
	_, err2 := accounts.PutAccount(t.Context(), stacksync.PutAccountParams{Account: "alice", Secret: secret})
	require.NoError(t, err2)
	p.cutAll()
	create(t, s, container)
	texts := []string{err.Error(), putErr.Error(), fmt.Sprintf("%v %+v %#v", bad, bad, bad)}
	for _, v := range []any{s, reflect.ValueOf(s).Elem(), accounts, reflect.ValueOf(accounts).Elem()} { // the values, too
		texts = append(texts, fmt.Sprintf("%v %+v %#v %s %q %x", v, v, v, v, v, v))
		c.Logger.Info("a value", slog.Any("value", v))
		slog.New(slog.NewJSONHandler(&log, nil)).Info("a value", slog.Any("value", v))
	}
	for _, text := range append(texts, log.String()) {
		require.NotContains(t, text, secret)
		require.NotContains(t, text, proftpd.ServicePassword)
		require.NotContains(t, text, hex.EncodeToString([]byte(proftpd.ServicePassword)))
	}
}

// echo is a server that repeats commands in its errors.
func echo(command, line string) string {
	if strings.HasPrefix(line, "530") {
		return "530 can't do " + command
	}
	return line
}
