//go:build unix

package vsftpd_test

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/internal/vsftpd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestWhichServer says, for make test, what the tests on FTP run on.
func TestWhichServer(t *testing.T) {
	s, err := vsftpd.Start(t.Context())
	if errors.Is(err, vsftpd.ErrNotInstalled) && os.Getenv("STACKSYNC_REQUIRE_SERVICES") != "1" {
		t.Logf("service: vsftpd: not found, its tests are skipped (%v)", err)
		t.SkipNow()
	}
	require.NoError(t, err)
	t.Log("service: vsftpd")
	require.NoError(t, s.Close())
	_, err = net.DialTimeout("tcp", s.Addr, time.Second)
	require.Error(t, err)
}
