//go:build unix

package storagetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

func TestServers(t *testing.T) {
	t.Run("S3", func(t *testing.T) {
		t.Parallel()
		server := S3(t)
		require.Same(t, server, S3(t), "one for all")
		require.Equal(t, http.StatusForbidden, status(t, "http://"+server.Endpoint+"/"), "it wants a signature")
	})
	t.Run("Swift", func(t *testing.T) {
		t.Parallel()
		server := Swift(t)
		require.Same(t, server, Swift(t), "one for all")
		require.Equal(t, http.StatusUnauthorized, status(t, server.StorageURL), "it wants a token")
		require.Equal(t, http.StatusOK, status(t, server.AuthURL))
	})
	t.Run("FTP", func(t *testing.T) {
		t.Parallel()
		server := FTP(t)
		require.Same(t, server, FTP(t), "one for all")
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Addr)
		require.NoError(t, err)
		c := textproto.NewConn(conn)
		_, _, err = c.ReadResponse(220)
		require.NoError(t, errors.Join(err, c.Close()))
	})
}

func status(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, errors.Join(err, res.Body.Close()))
	return res.StatusCode
}

// fake is a server that counts how often it was closed.
type fake struct{ closed *int }

func (f fake) Close() error {
	*f.closed++
	return nil
}

func TestSharedStartsOnce(t *testing.T) {
	var s shared[fake]
	var started, closed int
	start := func(context.Context) (fake, error) {
		started++
		return fake{&closed}, nil
	}
	require.NoError(t, s.stop(), "nothing runs")
	s.get(t, start)
	s.get(t, start)
	require.Equal(t, 1, started)
	require.NoError(t, s.stop())
	require.NoError(t, s.stop())
	require.Equal(t, 1, closed)
	s.get(t, start)
	require.NoError(t, s.stop())
	require.Equal(t, 2, started)
}

// verdict records how a test was ended.
type verdict struct {
	testing.TB
	failed string
}

func (*verdict) Helper() {}

func (v *verdict) Fatalf(format string, args ...any) {
	v.failed = fmt.Sprintf(format, args...)
	panic(v)
}

// What a server that is not installed does to a test is tested in internal/missing.
func TestServerThatDoesNotStart(t *testing.T) {
	t.Parallel()
	var s shared[fake]
	for _, err := range []error{errors.New("broken"), nil} {
		v := &verdict{}
		func() {
			defer func() { _ = recover() }()
			s.get(v, func(context.Context) (fake, error) { return fake{}, err })
		}()
		require.Equal(t, "broken", v.failed, "it is not tried again for each test")
	}
}
