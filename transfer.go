package stacksync

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// Transfers is how clients get content into and out of the container of a workspace. Its calls return errors.ErrUnsupported in a
// service without Config.Storage.
type Transfers interface {
	// PrepareUpload tells which of some chunks are not stored yet, and how to upload them. Needs role Editor and a device.
	// Its answer may be some moments old: the commit asks again. A chunk stored with another size is an ErrSize; chunks that can't fit
	// the owner's quota are an ErrQuotaExceeded; a Via that the service does not offer is an errors.ErrUnsupported.
	PrepareUpload(ctx context.Context, r PrepareUploadRequest) (PrepareUploadResult, error)
	// PrepareDownload tells how to download chunks. Needs role Viewer and a device. *ChunksMissingError, errors.ErrUnsupported.
	PrepareDownload(ctx context.Context, r PrepareDownloadRequest) (PrepareDownloadResult, error)
	// StorageAccount gives the actor's account at the storage, for transfers by ViaAccount: it makes the account, or mends it, and sees
	// to it that it reaches the workspaces the actor is a member of. All devices of a user have the same account; its secret changes
	// when one of them is revoked. A device asks once, and again when the storage refuses its login. Needs a device.
	// errors.ErrUnsupported where the service offers no ViaAccount. A storage that is down makes it an *OperationError when ctx ends, and the
	// operation goes on without the caller; while many of the user's do, it is an ErrBusy.
	StorageAccount(ctx context.Context, r StorageAccountRequest) (StorageAccountResult, error)
	// UploadChunk writes a chunk through the host. Needs role Editor and a device. Content of another length is an ErrSize;
	// content whose hash is not its name an ErrInvalid, where Config.ChunkHash is set.
	UploadChunk(ctx context.Context, r UploadChunkRequest) (UploadChunkResult, error)
	// DownloadChunk reads a chunk through the host; the caller closes Content. Needs role Viewer and a device.
	// ErrChunkNotFound. Where Config.ChunkHash is set, Content whose hash is not its name ends with an ErrDamaged in place of its last
	// bytes and io.EOF.
	DownloadChunk(ctx context.Context, r DownloadChunkRequest) (DownloadChunkResult, error)
}

// PrepareUploadRequest is that of Transfers.PrepareUpload.
type PrepareUploadRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
	Chunks    []Chunk     `json:"chunks"`        // at most Limits.Chunks
	Via       Via         `json:"via,omitempty"` // how the client wants to transfer; empty: as the service prefers
	// New says that the client has not begun to upload these chunks before. Then the storage is not asked for them: only those that some
	// version in the workspace names are left out of Missing. To upload one that is stored does no harm.
	New bool `json:"new,omitempty"`
}

// PrepareUploadResult is that of Transfers.PrepareUpload.
type PrepareUploadResult struct {
	Via     Via        `json:"via"`
	Missing []Transfer `json:"missing"` // the chunks to upload, each once, in the order asked
	// Expires is when the signed requests stop working, where Via is ViaSigned.
	Expires time.Time `json:"expires,omitzero"`
	// Location is where the Objects are, where Via is ViaAccount.
	Location *Location `json:"location,omitempty"`
}

// PrepareDownloadRequest is that of Transfers.PrepareDownload.
type PrepareDownloadRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
	Names     []string    `json:"names"`         // at most Limits.Chunks
	Via       Via         `json:"via,omitempty"` // how the client wants to transfer; empty: as the service prefers
}

// PrepareDownloadResult is that of Transfers.PrepareDownload.
type PrepareDownloadResult struct {
	Via    Via        `json:"via"`
	Chunks []Transfer `json:"chunks"` // each once, in the order asked
	// Expires is when the signed requests stop working, where Via is ViaSigned.
	Expires time.Time `json:"expires,omitzero"`
	// Location is where the Objects are, where Via is ViaAccount.
	Location *Location `json:"location,omitempty"`
}

// UploadChunkRequest is that of Transfers.UploadChunk.
type UploadChunkRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
	Chunk     Chunk       `json:"chunk"`
	Content   io.Reader   `json:"-"` // Chunk.Size bytes
}

// UploadChunkResult is that of Transfers.UploadChunk.
type UploadChunkResult struct{}

// DownloadChunkRequest is that of Transfers.DownloadChunk.
type DownloadChunkRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
	Name      string      `json:"name"`
}

// DownloadChunkResult is that of Transfers.DownloadChunk.
type DownloadChunkResult struct {
	Size    int64         `json:"size"`
	Content io.ReadCloser `json:"-"`
}

// PrepareUpload implements Transfers.
func (s *Service) PrepareUpload(ctx context.Context, r PrepareUploadRequest) (PrepareUploadResult, error) {
	return call(ctx, s, "PrepareUpload", func(ctx context.Context) (PrepareUploadResult, int, error) {
		res, err := s.prepareUpload(ctx, r)
		return res, len(r.Chunks), err
	})
}

func (s *Service) prepareUpload(ctx context.Context, r PrepareUploadRequest) (PrepareUploadResult, error) {
	none := PrepareUploadResult{}
	via, err := s.choose(r.Via)
	if err != nil {
		return none, err
	}
	limits := &s.cfg.Limits
	if err := r.check(toWrite); err != nil {
		return none, err
	}
	if len(r.Chunks) > limits.Chunks {
		return none, &FieldError{Field: "Chunks", Reason: fmt.Sprintf("are more than %d", limits.Chunks), Err: ErrLimit}
	}
	wanted := make(map[string]int64, len(r.Chunks))
	names := make([]string, 0, len(r.Chunks))
	for i := range r.Chunks {
		c := &r.Chunks[i]
		if err := c.check(fmt.Sprintf("Chunks[%d]", i), limits); err != nil {
			return none, err
		}
		if size, twice := wanted[c.Name]; twice && size != c.Size {
			return none, &FieldError{Field: fmt.Sprintf("Chunks[%d].Size", i), Reason: fmt.Sprintf("differs from that of the same chunk before, %d", size), Err: ErrSize}
		}
		if via == ViaSigned && s.sha256 && !isSHA256(c.Name) {
			return none, &FieldError{Field: fmt.Sprintf("Chunks[%d].Name", i), Reason: "is not a SHA-256 in lower-case hexadecimal"}
		}
		wanted[c.Name] = c.Size
		names = append(names, c.Name)
	}
	l := newLookup(r.Actor, r.Workspace, toWrite, names)
	if err := s.lookUp(ctx, l); err != nil {
		return none, err
	}
	var stored map[string]int64
	if !r.New {
		if stored, err = s.stat(ctx, l, true); err != nil {
			return none, err
		}
	}
	res := PrepareUploadResult{Via: via}
	var bytes int64
	for _, name := range l.names {
		size, ok := l.known[name]
		if !ok {
			size, ok = stored[name]
		}
		switch want := wanted[name]; {
		case !ok:
			res.Missing = append(res.Missing, Transfer{Chunk: Chunk{Name: name, Size: want}})
			bytes += want
		case size != want:
			return none, fmt.Errorf("%w: chunk %q is stored with %d bytes, not %d", ErrSize, name, size, want)
		}
		if err := l.access.checkUpload(bytes); err != nil {
			return none, err
		}
	}
	if len(res.Missing) == 0 {
		return res, nil
	}
	if via != ViaHost { // UploadChunk sees to it by itself
		if err := s.provisioned(ctx, l.access.workspace); err != nil {
			return none, err
		}
	}
	switch via {
	case ViaSigned:
		res.Expires, err = s.sign(ctx, Put, l.access.workspace, res.Missing)
	case ViaAccount:
		res.Location, err = s.locate(ctx, l.access.workspace, res.Missing)
	}
	return res, err
}

// checkUpload refuses what could not be committed whatever were deleted to make room. What is used now does not count: the upload may
// be going to replace it.
func (a access) checkUpload(bytes int64) error {
	if limit := a.owner.QuotaLimit; limit > 0 && bytes > limit {
		return &QuotaError{Owner: a.owner.ID, Limit: limit, Used: a.owner.QuotaUsed, Need: bytes}
	}
	return nil
}

// PrepareDownload implements Transfers.
func (s *Service) PrepareDownload(ctx context.Context, r PrepareDownloadRequest) (PrepareDownloadResult, error) {
	return call(ctx, s, "PrepareDownload", func(ctx context.Context) (PrepareDownloadResult, int, error) {
		res, err := s.prepareDownload(ctx, r)
		return res, len(r.Names), err
	})
}

func (s *Service) prepareDownload(ctx context.Context, r PrepareDownloadRequest) (PrepareDownloadResult, error) {
	none := PrepareDownloadResult{}
	via, err := s.choose(r.Via)
	if err != nil {
		return none, err
	}
	if err := r.check(toDownload); err != nil {
		return none, err
	}
	if limit := s.cfg.Limits.Chunks; len(r.Names) > limit {
		return none, &FieldError{Field: "Names", Reason: fmt.Sprintf("are more than %d", limit), Err: ErrLimit}
	}
	for i, name := range r.Names {
		if err := checkChunkName("", name); err != nil {
			return none, checkChunkName(fmt.Sprintf("Names[%d]", i), name)
		}
	}
	l := newLookup(r.Actor, r.Workspace, toDownload, slices.Clone(r.Names))
	if err := s.lookUp(ctx, l); err != nil {
		return none, err
	}
	stored, err := s.stat(ctx, l, false)
	if err != nil {
		return none, err
	}
	res := PrepareDownloadResult{Via: via}
	var missing []string
	for _, name := range l.names {
		size, ok := l.known[name]
		if !ok {
			size, ok = stored[name]
		}
		if !ok {
			missing = append(missing, name)
			continue
		}
		res.Chunks = append(res.Chunks, Transfer{Chunk: Chunk{Name: name, Size: size}})
	}
	if len(missing) > 0 {
		return none, &ChunksMissingError{Names: missing}
	}
	switch via {
	case ViaSigned:
		res.Expires, err = s.sign(ctx, Get, l.access.workspace, res.Chunks)
	case ViaAccount:
		res.Location, err = s.locate(ctx, l.access.workspace, res.Chunks)
	}
	return res, err
}
