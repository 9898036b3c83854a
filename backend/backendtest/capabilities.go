package backendtest

import (
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// capabilities: what the back-end's test declares is there, and nothing else, so that no check is left out by mistake.
func capabilities(t T, s Suite) {
	storage := s.New(t).Storage
	_, signs := stacksync.As[stacksync.ChunkSigner](storage)
	require.Equal(t, s.Signs, signs, "Suite.Signs, and whether the storage is a ChunkSigner")
	_, origins := stacksync.As[stacksync.OriginSetter](storage)
	require.Equal(t, len(s.Origins) > 0, origins, "Suite.Origins, and whether the storage is an OriginSetter")
	_, accounts := stacksync.As[stacksync.AccountProvisioner](storage)
	require.Equal(t, s.Accounts, accounts, "Suite.Accounts, and whether the storage is an AccountProvisioner")
}
