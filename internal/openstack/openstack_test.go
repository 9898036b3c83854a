//go:build unix

package openstack_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/internal/missing"
	"github.com/stacksync/stacksync-go/internal/openstack"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		missing.Report()
		os.Exit(code)
	}))
}

// TestWhichServer says, for make test, what the tests on Swift run on.
func TestWhichServer(t *testing.T) {
	version, err := openstack.Version(t.Context())
	missing.Tell(t, "OpenStack "+version, err)
	require.Contains(t, version, "Swift")
}

// A run that requires the servers does not pass without them.
func TestRequiredServerIsMissing(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	for _, test := range []string{"TestWhichServer", "TestServer", "TestStartIsCancelled"} {
		for _, required := range []string{"", "1"} {
			cmd := exec.CommandContext(t.Context(), program, "-test.run", "^"+test+"$")
			cmd.Env = append(os.Environ(), "PATH="+t.TempDir(), missing.EnvRequire+"="+required)
			out, err := cmd.CombinedOutput()
			if required == "" {
				require.NoError(t, err, "%s", out)
				continue
			}
			var failed *exec.ExitError
			require.ErrorAs(t, err, &failed, test)
			require.Contains(t, string(out), "--- FAIL: "+test)
			require.Contains(t, string(out), "OpenStack Swift with Keystone was not found")
		}
	}
}

func TestFindSaysWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(missing.EnvHide, "")
	var none *missing.Service
	require.ErrorAs(t, openstack.Find(), &none)
	require.ErrorContains(t, none, "swift-proxy-server")
	require.ErrorContains(t, none, "make services")
	_, err := openstack.Start(t.Context(), openstack.Options{})
	require.ErrorAs(t, err, &none)
	t.Setenv(missing.EnvHide, "1")
	require.ErrorAs(t, openstack.Find(), &none)
	require.ErrorContains(t, none, missing.EnvHide)
}

func TestServer(t *testing.T) {
	const lifetime = 30 * time.Minute // the token outlives three restarts, on a slow machine too
	start := time.Now()
	s, err := openstack.Start(t.Context(), openstack.Options{TokenLifetime: lifetime})
	missing.Require(t, err)
	t.Logf("started in %v", time.Since(start).Round(100*time.Millisecond))
	t.Cleanup(func() { require.NoError(t, s.Close()) })

	client, err := s.Identity(t.Context())
	require.NoError(t, err)
	token := client.Token()
	issued, err := client.GetAuthResult().(tokens.CreateResult).ExtractToken()
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(lifetime), issued.ExpiresAt, 30*time.Second)
	require.Equal(t, http.StatusCreated, send(t, s, http.MethodPut, "/c", token))

	for name, stop := range map[string]func() error{"all": s.Stop, "proxy": s.StopProxy, "keystone": s.StopKeystone} {
		require.NoError(t, stop(), name)
		require.NoError(t, stop(), "%s again", name)
		_, err = s.Identity(t.Context())
		require.Equal(t, name == "proxy", err == nil, "%s: %v", name, err)
		require.NoError(t, s.Restart(t.Context()), name)
		require.Equal(t, http.StatusNoContent, send(t, s, http.MethodHead, "/c", token), "%s: the data is lost", name)
	}
	require.NoError(t, s.Revoke(t.Context(), token))
	require.Equal(t, http.StatusUnauthorized, send(t, s, http.MethodHead, "/c", token))

	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "again")
	_, err = s.Identity(t.Context())
	require.Error(t, err, "nothing is left running")
	require.Error(t, s.Restart(t.Context()))
}

func TestStartIsCancelled(t *testing.T) {
	missing.Require(t, openstack.Find())
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := openstack.Start(ctx, openstack.Options{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// send returns the status that Swift answers with.
func send(t *testing.T, s *openstack.Server, method, path, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.StorageURL+path, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("X-Auth-Token", token)
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}
