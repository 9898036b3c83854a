package s3_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
)

// TestSecrets: neither errors nor logs nor printed values have the secret key or a signature, whatever goes wrong.
func TestSecrets(t *testing.T) {
	t.Parallel()
	const wrong = "AWrongSecretKey0123456789"
	gateway := server(t)
	c := config(t, gateway)
	secrets := []string{gateway.SecretKey, wrong, "Signature="}
	s, m, n := throughMiddle(t, c)
	var seen strings.Builder
	note := func(err error) {
		require.Error(t, err)
		fmt.Fprintf(&seen, "%v\n%+v\n%#v\n%s\n", err, err, err, err.Error())
	}
	faults := []func(r *http.Request) (*answer, error){
		slowDown,
		func(*http.Request) (*answer, error) { return nil, errCut },
		func(r *http.Request) (*answer, error) {
			a := refusal(r, http.StatusForbidden, "SignatureDoesNotMatch", "")
			a.Header.Set("Location", r.URL.String())
			return a, nil
		},
	}
	for _, fault := range faults {
		m.set(fault, nil)
		for _, do := range calls(s) {
			note(do(t.Context()))
		}
	}
	require.NotEmpty(t, n.logged())
	seen.WriteString(n.logged())

	c.SecretKey, c.Logger = wrong, n.logger()
	s, err := s3.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for _, do := range calls(s) {
		note(do(t.Context()))
	}
	seen.WriteString(n.logged())
	n.logger().Info("configured", "config", c)
	_, err = s.SignChunks(t.Context(), stacksync.SignChunksParams{Container: container, Method: stacksync.Put, Chunks: []stacksync.Chunk{{Name: "x", Size: 1 << 40}}, Lifetime: time.Minute})
	note(err)
	for _, v := range []any{c, &c, s} {
		fmt.Fprintf(&seen, "%v %+v %#v %s", v, v, v, v)
	}
	for _, endpoint := range []string{"https://user:" + wrong + "@host", "https://host/?" + wrong, "http://" + wrong + " x"} {
		bad := c
		bad.Endpoint = endpoint
		_, err := s3.New(bad)
		note(err)
	}
	for _, secret := range secrets {
		i := strings.Index(seen.String(), secret)
		require.Negative(t, i, "…%.200s", seen.String()[max(0, i-100):])
	}
}
