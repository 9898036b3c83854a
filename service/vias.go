package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stacksync/stacksync-go"
)

// offer finds out which ways content can go, and whether those are all that the configuration asks for.
func (s *Service) offer() error {
	_, canWrite := stacksync.As[stacksync.ChunkWriter](s.storage)
	_, canRead := stacksync.As[stacksync.ChunkReader](s.storage)
	_, canSign := stacksync.As[stacksync.ChunkSigner](s.storage)
	_, hasAccounts := stacksync.As[stacksync.AccountProvisioner](s.storage)
	if !hasAccounts && s.cfg.AccountKey != nil {
		return fmt.Errorf("Config.AccountKey is for accounts that Config.Storage (%T) does not have: %w", s.storage, errors.ErrUnsupported)
	}
	possible := map[stacksync.Via]bool{stacksync.ViaSigned: canSign, stacksync.ViaHost: canWrite && canRead, stacksync.ViaAccount: hasAccounts && s.cfg.AccountKey != nil}
	wanted := s.cfg.Vias
	if wanted == nil {
		for _, via := range []stacksync.Via{stacksync.ViaSigned, stacksync.ViaHost, stacksync.ViaAccount} {
			if possible[via] {
				wanted = append(wanted, via)
			}
		}
	}
	for i, via := range wanted {
		if can, known := possible[via]; !known || slices.Contains(wanted[:i], via) {
			return &stacksync.FieldError{Field: fmt.Sprintf("Config.Vias[%d]", i), Reason: fmt.Sprintf("is %q: unknown, or there twice", via)}
		} else if !can {
			return fmt.Errorf("Config.Vias has %q, which Config.Storage (%T) or a missing Config.AccountKey does not allow: %w", via, s.storage, errors.ErrUnsupported)
		}
	}
	if len(wanted) == 0 {
		return fmt.Errorf("Config.Storage (%T) gives clients no way to content: it is neither a ChunkSigner nor a ChunkWriter and ChunkReader: %w", s.storage, errors.ErrUnsupported)
	}
	s.vias = wanted
	s.writer, _ = stacksync.As[stacksync.ChunkWriter](s.storage)
	s.reader, _ = stacksync.As[stacksync.ChunkReader](s.storage)
	s.signer, _ = stacksync.As[stacksync.ChunkSigner](s.storage)
	if slices.Contains(wanted, stacksync.ViaAccount) {
		s.accounts, _ = stacksync.As[stacksync.AccountProvisioner](s.storage)
	}
	// What the hash of nothing is tells which one it is.
	s.sha256 = s.cfg.ChunkHash != nil && bytes.Equal(s.cfg.ChunkHash().Sum(nil), sha256.New().Sum(nil))
	return nil
}

// choose settles how content goes, when the client wants via.
func (s *Service) choose(via stacksync.Via) (stacksync.Via, error) {
	switch {
	case s.storage == nil:
		return "", fmt.Errorf("service has no storage: %w", errors.ErrUnsupported)
	case via == "":
		return s.vias[0], nil
	case !slices.Contains(s.vias, via):
		return "", fmt.Errorf("content does not go via %.20q here, but via %q: %w", via, s.vias, errors.ErrUnsupported)
	}
	return via, nil
}

// sign fills in the requests by which the chunks of a workspace can be transferred, and tells when they expire.
func (s *Service) sign(ctx context.Context, method stacksync.Method, w *stacksync.Workspace, transfers []stacksync.Transfer) (time.Time, error) {
	chunks := make([]stacksync.Chunk, len(transfers))
	for i := range transfers {
		chunks[i] = transfers[i].Chunk
	}
	res, err := s.signer.SignChunks(ctx, stacksync.SignChunksParams{
		Container: w.Container, Method: method, Chunks: chunks, Lifetime: s.cfg.SignedLifetime, SHA256: s.sha256 && method == stacksync.Put,
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
func (s *Service) locate(ctx context.Context, w *stacksync.Workspace, transfers []stacksync.Transfer) (*stacksync.Location, error) {
	names := make([]string, len(transfers))
	for i := range transfers {
		names[i] = transfers[i].Name
	}
	res, err := s.accounts.Locate(ctx, stacksync.LocateParams{Container: w.Container, Names: names})
	if err != nil {
		return nil, fmt.Errorf("locate chunks: %w", err)
	}
	for i := range transfers {
		transfers[i].Object = res.Objects[i]
	}
	return &res.Location, nil
}

// isSHA256 reports whether a name is the hash that Config.ChunkHash can stand for in signed requests.
func isSHA256(name string) bool {
	return len(name) == hex.EncodedLen(sha256.Size) && strings.Trim(name, "0123456789abcdef") == ""
}
