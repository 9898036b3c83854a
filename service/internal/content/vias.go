package content

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/gather"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Ways are the ways on which content travels between clients and a storage.
type Ways struct {
	Vias []stacksync.Via // the preferred way first; empty without a storage
	// Accounts is nil unless ViaAccount is among Vias.
	Accounts stacksync.AccountProvisioner

	writer stacksync.ChunkWriter
	reader stacksync.ChunkReader
	signer stacksync.ChunkSigner
}

// Offer returns the ways that a service offers: wanted, or for nil all ways that the storage can.
// keyed says that the service has an AccountKey. errors.ErrUnsupported: the storage can't offer a
// wanted way, or offers no way at all, or keyed is set and the storage has no accounts.
// *FieldError: a wanted way is unknown or there twice.
func Offer(storage stacksync.StorageProvisioner, wanted []stacksync.Via, keyed bool) (Ways, error) {
	var w Ways
	var canWrite, canRead, canSign bool
	w.writer, canWrite = stacksync.As[stacksync.ChunkWriter](storage)
	w.reader, canRead = stacksync.As[stacksync.ChunkReader](storage)
	w.signer, canSign = stacksync.As[stacksync.ChunkSigner](storage)
	accounts, hasAccounts := stacksync.As[stacksync.AccountProvisioner](storage)
	if !hasAccounts && keyed {
		return w, fmt.Errorf("Config.AccountKey is for accounts that Config.Storage (%T) does not have: %w", storage, errors.ErrUnsupported)
	}
	possible := map[stacksync.Via]bool{stacksync.ViaSigned: canSign, stacksync.ViaHost: canWrite && canRead, stacksync.ViaAccount: hasAccounts && keyed}
	if wanted == nil {
		for _, via := range []stacksync.Via{stacksync.ViaSigned, stacksync.ViaHost, stacksync.ViaAccount} {
			if possible[via] {
				wanted = append(wanted, via)
			}
		}
	}
	for i, via := range wanted {
		if can, known := possible[via]; !known || slices.Contains(wanted[:i], via) {
			return w, &stacksync.FieldError{Field: fmt.Sprintf("Config.Vias[%d]", i), Reason: fmt.Sprintf("is %q: unknown, or there twice", via)}
		} else if !can {
			return w, fmt.Errorf("Config.Vias has %q, which Config.Storage (%T) or a missing Config.AccountKey does not allow: %w", via, storage, errors.ErrUnsupported)
		}
	}
	if len(wanted) == 0 {
		return w, fmt.Errorf("Config.Storage (%T) gives clients no way to content: it is neither a ChunkSigner nor a ChunkWriter and ChunkReader: %w", storage, errors.ErrUnsupported)
	}
	w.Vias = wanted
	if slices.Contains(wanted, stacksync.ViaAccount) {
		w.Accounts = accounts
	}
	return w, nil
}

// Config is the part of service.Config that is about content.
type Config struct {
	Lifetime time.Duration    // how long signed requests work
	Hash     func() hash.Hash // hash of a chunk's content, which is the chunk's name; nil: names mean nothing
}

// Desk hands out ways to content, and knows which chunks are stored. Its methods may be called from
// many goroutines.
type Desk struct {
	*session.Kernel
	ways     Ways
	lifetime time.Duration
	hash     func() hash.Hash
	sha256   bool // hash is SHA-256
	lookups  *gather.Gatherer[stacksync.WorkspaceID, *lookup]
}

// New makes a desk. For turn see gather.New.
func New(k *session.Kernel, w Ways, cfg Config, turn *sync.Mutex) *Desk {
	return &Desk{
		Kernel: k, ways: w, lifetime: cfg.Lifetime, hash: cfg.Hash,
		// The hash of empty content tells whether the hash is SHA-256.
		sha256:  cfg.Hash != nil && bytes.Equal(cfg.Hash().Sum(nil), sha256.New().Sum(nil)),
		lookups: gather.New[stacksync.WorkspaceID, *lookup](1, k.Running, turn),
	}
}

// Choose returns the way on which content goes: via, or for "" the preferred way.
// errors.ErrUnsupported: the service does not offer via.
func (d *Desk) Choose(via stacksync.Via) (stacksync.Via, error) {
	switch {
	case d.Storage == nil:
		return "", fmt.Errorf("service has no storage: %w", errors.ErrUnsupported)
	case via == "":
		return d.ways.Vias[0], nil
	case !slices.Contains(d.ways.Vias, via):
		return "", fmt.Errorf("content does not go via %.20q here, but via %q: %w", via, d.ways.Vias, errors.ErrUnsupported)
	}
	return via, nil
}

// sign fills in Request of transfers of a workspace's chunks, and returns when the requests expire.
func (d *Desk) sign(ctx context.Context, method stacksync.Method, w *stacksync.Workspace, transfers []stacksync.Transfer) (time.Time, error) {
	chunks := make([]stacksync.Chunk, len(transfers))
	for i := range transfers {
		chunks[i] = transfers[i].Chunk
	}
	res, err := d.ways.signer.SignChunks(ctx, stacksync.SignChunksParams{
		Container: w.Container, Method: method, Chunks: chunks, Lifetime: d.lifetime, SHA256: d.sha256 && method == stacksync.Put,
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("sign requests: %w", err)
	}
	for i := range transfers {
		transfers[i].Request = res.Requests[i]
	}
	return res.Expires, nil
}

// locate fills in Object of transfers of a workspace's chunks, for clients with an account, and
// returns where the container is.
func (d *Desk) locate(ctx context.Context, w *stacksync.Workspace, transfers []stacksync.Transfer) (*stacksync.Location, error) {
	names := make([]string, len(transfers))
	for i := range transfers {
		names[i] = transfers[i].Name
	}
	res, err := d.Accounts.Locate(ctx, stacksync.LocateParams{Container: w.Container, Names: names})
	if err != nil {
		return nil, fmt.Errorf("locate chunks: %w", err)
	}
	for i := range transfers {
		transfers[i].Object = res.Objects[i]
	}
	return &res.Location, nil
}

// isSHA256 reports whether a name has the form of a SHA-256 in lower-case hexadecimal.
func isSHA256(name string) bool {
	return len(name) == hex.EncodedLen(sha256.Size) && strings.Trim(name, "0123456789abcdef") == ""
}
