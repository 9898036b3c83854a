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

// Ways are the ways by which content can go between clients and a storage.
type Ways struct {
	Vias []stacksync.Via // the preferred one first; empty without a storage
	// Accounts is nil where ViaAccount is not among Vias.
	Accounts stacksync.AccountProvisioner

	writer stacksync.ChunkWriter
	reader stacksync.ChunkReader
	signer stacksync.ChunkSigner
}

// Offer finds out which ways there are: all that the storage can, or those that are wanted. keyed
// says that accounts have a key. errors.ErrUnsupported for what the storage can't; a *FieldError
// for a way that is unknown or wanted twice.
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

// Config is the part of a service's that is about content.
type Config struct {
	Lifetime time.Duration    // of signed requests
	Hash     func() hash.Hash // of chunks; nil: names mean nothing
}

// Desk hands out ways to content, and knows which chunks are stored.
type Desk struct {
	*session.Kernel
	ways     Ways
	lifetime time.Duration
	hash     func() hash.Hash
	sha256   bool // hash is SHA-256
	lookups  *gather.Gatherer[stacksync.WorkspaceID, *lookup]
}

// New makes a desk. turn is that of gather.New.
func New(k *session.Kernel, w Ways, cfg Config, turn *sync.Mutex) *Desk {
	return &Desk{
		Kernel: k, ways: w, lifetime: cfg.Lifetime, hash: cfg.Hash,
		// What the hash of nothing is tells which one it is.
		sha256:  cfg.Hash != nil && bytes.Equal(cfg.Hash().Sum(nil), sha256.New().Sum(nil)),
		lookups: gather.New[stacksync.WorkspaceID, *lookup](1, k.Running, turn),
	}
}

// Choose settles how content goes, when the client wants via.
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

// sign fills in the requests by which the chunks of a workspace can be transferred, and tells when
// they expire.
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

// locate fills in where the chunks of a workspace are for those who have an account.
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

// isSHA256 reports whether a name is the hash that Config.ChunkHash can stand for in signed
// requests.
func isSHA256(name string) bool {
	return len(name) == hex.EncodedLen(sha256.Size) && strings.Trim(name, "0123456789abcdef") == ""
}
