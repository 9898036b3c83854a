package ftp_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/backendtest"
	"github.com/stacksync/stacksync-go/internal/proftpd"
	"github.com/stacksync/stacksync-go/internal/storagetest"
	"github.com/stacksync/stacksync-go/internal/testsize"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

func TestConformance(t *testing.T) {
	server := storagetest.FTP(t)
	storage := open(t, withAccounts(server))
	backendtest.Run(t, backendtest.Suite{
		New: func(backendtest.T) backendtest.Instance {
			return backendtest.Instance{
				Storage: storage,
				Reopen:  func() stacksync.StorageProvisioner { return open(t, withAccounts(server)) },
				Dial: func(t backendtest.T, login string, secret stacksync.Secret, at stacksync.Location) backendtest.Client {
					return dial(t, server, login, secret, at)
				},
			}
		},
		Accounts:    true,
		Many:        testsize.Of(1_500, 0),
		SecretBound: 5 * time.Second,
	})
}

func TestOutage(t *testing.T) {
	server := start(t, proftpd.Options{})
	backendtest.RunOutage(t, backendtest.Outage{
		Open:    func(t backendtest.T) stacksync.StorageProvisioner { return open(t, configOf(server)) },
		Stop:    server.Stop,
		Start:   func() error { return server.Restart(t.Context()) },
		Service: newService,
	})
}

// newService makes a service for backendtest.RunOutage.
func newService(t backendtest.T, storage stacksync.StorageProvisioner, via stacksync.Via) backendtest.Service {
	store := memory.New(memory.Config{})
	config := service.Config{Storage: storage, ChunkHash: sha256.New}
	if via != "" {
		config.Vias = []stacksync.Via{via}
	}
	svc, err := service.New(store, config)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, svc.Close())
		require.NoError(t, store.Close())
	})
	return svc
}
