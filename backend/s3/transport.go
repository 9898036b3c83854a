package s3

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Bounds against peers that are gone without a word. Other times are for ctx.
const (
	connectLimit = 10 * time.Second
	answerLimit  = 2 * time.Minute // the server may copy gigabytes before it answers
	sendLimit    = time.Minute
	idleLimit    = time.Minute
	idleMost     = 256
)

func newTransport(c *Config) *http.Transport {
	dialer := &net.Dialer{Timeout: connectLimit, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return conn{c}, nil
		},
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs},
		TLSHandshakeTimeout:   connectLimit,
		ResponseHeaderTimeout: answerLimit,
		IdleConnTimeout:       idleLimit,
		MaxIdleConns:          idleMost,
		MaxIdleConnsPerHost:   idleMost,
		DisableCompression:    true, // chunks are what they are
		// Larger than the standard library's: chunks are large.
		WriteBufferSize: 64 << 10,
		ReadBufferSize:  64 << 10,
	}
}

// conn fails where the peer takes nothing for a minute. A peer that sends nothing is found by the keep-alive of TCP, but not while it
// is being sent something.
type conn struct{ net.Conn }

func (c conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(sendLimit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// A hint is how long the server has asked to wait in its last answer to a try.
type hint struct{ nanoseconds atomic.Int64 }

func (h *hint) wait() time.Duration { return time.Duration(h.nanoseconds.Load()) }

type hintKey struct{}

// hinting is a transport that tells the try, by its context, what the server has asked for: the client does not show the headers
// of a failure.
type hinting struct{ to http.RoundTripper }

func (t *hinting) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.to.RoundTrip(r)
	if h, ok := r.Context().Value(hintKey{}).(*hint); ok {
		var wait time.Duration
		if err == nil && answer.StatusCode >= 400 {
			wait = retryAfter(answer.Header.Get("Retry-After"), time.Now())
		}
		h.nanoseconds.Store(int64(wait))
	}
	return answer, err
}

// retryAfter reads the header, a number of seconds or a date; what is neither asks for nothing.
func retryAfter(header string, now time.Time) time.Duration {
	const most = 24 * time.Hour
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, most)
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(at.Sub(now), 0), most)
	}
	return 0
}
