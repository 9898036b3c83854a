package ftp

import (
	"crypto/tls"
	"errors"
	"net"
	"time"
)

const (
	// greetingWait is after what time without a word from the server it is tried whether it waits for TLS. A slow server, which looks up
	// names say, may greet later.
	greetingWait = 2 * time.Second
	// implicitWait bounds that try.
	implicitWait = 10 * time.Second
)

// awaitGreeting waits until the server's greeting begins, and returns an ErrImplicit where the server waits for TLS instead: both sides would
// wait for Config.Silence otherwise.
func (c *conn) awaitGreeting(l *link) error {
	if err := l.Conn.SetReadDeadline(time.Now().Add(min(greetingWait, c.server.silence))); err != nil {
		return err
	}
	first := make([]byte, 1)
	n, err := l.Conn.Read(first)
	l.peeked = first[:n]
	if silent, ok := errors.AsType[net.Error](err); !ok || !silent.Timeout() {
		return err
	}
	if c.waitsForTLS() {
		return ErrImplicit
	}
	return nil
}

// waitsForTLS tries TLS on another connection. Whether the certificate is good does not matter here.
func (c *conn) waitsForTLS() bool {
	host, _, err := net.SplitHostPort(c.server.addr)
	if err != nil {
		return false
	}
	l, err := c.connect(c.server.addr)
	if err != nil {
		return false
	}
	defer l.Close()
	if err := l.Conn.SetDeadline(time.Now().Add(min(implicitWait, c.server.silence))); err != nil {
		return false
	}
	err = tls.Client(l.Conn, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}).HandshakeContext(c.ctx)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	return err == nil || untrusted || alert
}
