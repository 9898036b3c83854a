package certificate_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/internal/certificate"
)

// write returns the pool, and the server's certificate as the files have it, with its key.
func write(t *testing.T, folder string) (*x509.CertPool, *x509.Certificate) {
	t.Helper()
	pool, err := certificate.Write(folder)
	require.NoError(t, err)
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, certificate.ServerFile), filepath.Join(folder, certificate.KeyFile))
	require.NoError(t, err, "the key is that of the server's certificate")
	return pool, pair.Leaf
}

func TestServerIsTrustedByItsAuthorityOnly(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	pool, server := write(t, folder)
	other, _ := write(t, t.TempDir())
	file, err := os.ReadFile(filepath.Join(folder, certificate.CAFile))
	require.NoError(t, err)
	fromFile := x509.NewCertPool()
	require.True(t, fromFile.AppendCertsFromPEM(file))
	require.True(t, pool.Equal(fromFile), "the pool and the file have the same authority")

	verify := func(name string, roots *x509.CertPool) error {
		_, err := server.Verify(x509.VerifyOptions{DNSName: name, Roots: roots})
		return err
	}
	require.NoError(t, verify("127.0.0.1", pool))
	require.NoError(t, verify("localhost", pool))
	var host x509.HostnameError
	require.ErrorAs(t, verify("example.org", pool), &host)
	require.ErrorAs(t, verify("127.0.0.2", pool), &host)
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, verify("localhost", other), &unknown)
}

func TestFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	_, server := write(t, folder)
	require.False(t, server.IsCA, "a server signs for nobody")
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	kinds := map[string]string{}
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		if runtime.GOOS != "windows" { // which has no such modes
			require.Zero(t, info.Mode().Perm()&0o077, "%s is for its owner only", entry.Name())
		}
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		require.NoError(t, err)
		block, rest := pem.Decode(text)
		require.NotNil(t, block)
		require.Empty(t, rest)
		kinds[entry.Name()] = block.Type
	}
	require.Equal(t, map[string]string{
		certificate.CAFile: "CERTIFICATE", certificate.ServerFile: "CERTIFICATE", certificate.KeyFile: "PRIVATE KEY",
	}, kinds, "the key of the authority is in no file")

	_, err = certificate.Write(filepath.Join(folder, "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
