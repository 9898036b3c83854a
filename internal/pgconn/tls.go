package pgconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// sslRequest asks a server for TLS: its length, and a number that is no version of the protocol.
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// errNoTLS says that a server has TLS turned off.
var errNoTLS = errors.New("SSL is not enabled on the server")

// encrypt turns a connection that was just made into one with TLS. The driver could do that, too, but then nobody could read along. timeout
// bounds it; 0 is for ever.
func encrypt(ctx context.Context, raw net.Conn, config *tls.Config, timeout time.Duration) (net.Conn, error) {
	if timeout > 0 {
		if err := raw.SetDeadline(time.Now().Add(timeout)); err != nil {
			return nil, err
		}
	}
	if _, err := raw.Write(sslRequest); err != nil {
		return nil, fmt.Errorf("ask for TLS: %w", err)
	}
	var answer [1]byte // exactly: what follows before the handshake would not be encrypted
	if _, err := io.ReadFull(raw, answer[:]); err != nil {
		return nil, fmt.Errorf("ask for TLS: %w", err)
	}
	if answer[0] != 'S' {
		return nil, errNoTLS
	}
	encrypted := tls.Client(raw, config)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return encrypted, raw.SetDeadline(time.Time{})
}
