//go:build unix

package vsftpd_test

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/internal/missing"
	"github.com/stacksync/stacksync-go/internal/vsftpd"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		missing.Report()
		os.Exit(code)
	}))
}

// TestWhichServer says, for make test, what the tests on FTP run on.
func TestWhichServer(t *testing.T) {
	s, err := vsftpd.Start(t.Context())
	missing.Tell(t, "vsftpd", err)
	require.NoError(t, s.Close())
	_, err = net.DialTimeout("tcp", s.Addr, time.Second)
	require.Error(t, err)
}
