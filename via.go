package stacksync

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Via says how content travels between a client and the storage.
type Via string

// The ways.
const (
	// ViaSigned: the client sends each Transfer's Request to the storage. The storage must be a ChunkSigner.
	ViaSigned Via = "signed"
	// ViaHost: the client calls UploadChunk and DownloadChunk. The storage must be a ChunkWriter and a ChunkReader.
	ViaHost Via = "host"
	// ViaAccount: the client logs in at the Location with its StorageAccount, and transfers each Transfer's Object. The storage
	// must be an AccountProvisioner.
	ViaAccount Via = "account"
)

// Transfer is a chunk and how to transfer its content.
type Transfer struct {
	Chunk
	Request SignedRequest `json:"request,omitzero"` // where Via is ViaSigned
	Object  string        `json:"object,omitempty"` // its name in the Location, where Via is ViaAccount
}

// offer finds out which ways content can go, and whether those are all that the configuration asks for.
func (s *Service) offer() error {
	_, canWrite := As[ChunkWriter](s.storage)
	_, canRead := As[ChunkReader](s.storage)
	_, canSign := As[ChunkSigner](s.storage)
	_, hasAccounts := As[AccountProvisioner](s.storage)
	if !hasAccounts && s.cfg.AccountKey != nil {
		return fmt.Errorf("Config.AccountKey is for accounts that Config.Storage (%T) does not have: %w", s.storage, errors.ErrUnsupported)
	}
	possible := map[Via]bool{ViaSigned: canSign, ViaHost: canWrite && canRead, ViaAccount: hasAccounts && s.cfg.AccountKey != nil}
	wanted := s.cfg.Vias
	if wanted == nil {
		for _, via := range []Via{ViaSigned, ViaHost, ViaAccount} {
			if possible[via] {
				wanted = append(wanted, via)
			}
		}
	}
	for i, via := range wanted {
		if can, known := possible[via]; !known || slices.Contains(wanted[:i], via) {
			return &FieldError{Field: fmt.Sprintf("Config.Vias[%d]", i), Reason: fmt.Sprintf("is %q: unknown, or there twice", via)}
		} else if !can {
			return fmt.Errorf("Config.Vias has %q, which Config.Storage (%T) or a missing Config.AccountKey does not allow: %w", via, s.storage, errors.ErrUnsupported)
		}
	}
	if len(wanted) == 0 {
		return fmt.Errorf("Config.Storage (%T) gives clients no way to content: it is neither a ChunkSigner nor a ChunkWriter and ChunkReader: %w", s.storage, errors.ErrUnsupported)
	}
	s.vias = wanted
	s.writer, _ = As[ChunkWriter](s.storage)
	s.reader, _ = As[ChunkReader](s.storage)
	s.signer, _ = As[ChunkSigner](s.storage)
	if slices.Contains(wanted, ViaAccount) {
		s.accounts, _ = As[AccountProvisioner](s.storage)
	}
	// What the hash of nothing is tells which one it is.
	s.sha256 = s.cfg.ChunkHash != nil && bytes.Equal(s.cfg.ChunkHash().Sum(nil), sha256.New().Sum(nil))
	return nil
}

// choose settles how content goes, when the client wants via.
func (s *Service) choose(via Via) (Via, error) {
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
func (s *Service) sign(ctx context.Context, method Method, w *Workspace, transfers []Transfer) (time.Time, error) {
	chunks := make([]Chunk, len(transfers))
	for i := range transfers {
		chunks[i] = transfers[i].Chunk
	}
	res, err := s.signer.SignChunks(ctx, SignChunksParams{
		Container: w.Container, Method: method, Chunks: chunks, Lifetime: s.cfg.SignedLifetime, SHA256: s.sha256 && method == Put,
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
func (s *Service) locate(ctx context.Context, w *Workspace, transfers []Transfer) (*Location, error) {
	names := make([]string, len(transfers))
	for i := range transfers {
		names[i] = transfers[i].Name
	}
	res, err := s.accounts.Locate(ctx, LocateParams{Container: w.Container, Names: names})
	if err != nil {
		return nil, fmt.Errorf("locate chunks: %w", err)
	}
	for i := range transfers {
		transfers[i].Object = res.Objects[i]
	}
	return &res.Location, nil
}
