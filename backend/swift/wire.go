package swift

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/gophercloud/gophercloud/v2"
)

const (
	dialBound   = 10 * time.Second
	headerBound = 2 * time.Minute // Swift's proxy waits up to a minute for its nodes
	mostError   = 64 << 10        // bytes of an error's text
)

// newWire returns a client without a token, and a function that closes its idle connections.
func newWire(c *Config) (*gophercloud.ProviderClient, func()) {
	transport, idle := c.Transport, func() {}
	if transport == nil && c.Provider != nil {
		if transport = c.Provider.HTTPClient.Transport; transport == nil {
			transport = http.DefaultTransport
		}
	}
	if transport == nil {
		t := &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			TLSClientConfig:       &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   dialBound,
			ResponseHeaderTimeout: headerBound,
			ExpectContinueTimeout: dialBound,
			IdleConnTimeout:       time.Minute,
			MaxIdleConnsPerHost:   4 * c.Parallel,
			WriteBufferSize:       64 << 10,
			ReadBufferSize:        64 << 10,
		}
		dialQuiet(t, (&net.Dialer{Timeout: dialBound}).DialContext)
		transport, idle = t, t.CloseIdleConnections
	}
	client := http.Client{
		Transport: lengths{transport},
		// A redirect would take the token to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &gophercloud.ProviderClient{HTTPClient: client, Throwaway: true}, idle
}

// lengths gives a request the length that its header says. Gophercloud knows none where the body is not one of the standard
// library's, and then sends it in pieces: one that is cut would be taken for whole. It also bounds what is read of an error's text.
type lengths struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l lengths) RoundTrip(r *http.Request) (*http.Response, error) {
	if text := r.Header.Get("Content-Length"); text != "" {
		size, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Header.Del("Content-Length")
		r.ContentLength = size
	}
	res, err := l.RoundTripper.RoundTrip(expecting(r))
	if err == nil && res.StatusCode >= http.StatusBadRequest && res.Body != nil {
		res.Body = limited{io.LimitReader(res.Body, mostError), res.Body}
	}
	return res, err
}

type limited struct {
	io.Reader
	io.Closer
}
