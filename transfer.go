package stacksync

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
)

// Transfers is how clients get content into and out of the container of a workspace. Its calls return errors.ErrUnsupported in a
// service without Config.Storage.
type Transfers interface {
	// PrepareUpload tells which of some chunks are not stored yet, and how to upload them. Needs role Editor and a device.
	// A chunk stored with another size is an ErrSize; chunks that can't fit the owner's quota are an ErrQuotaExceeded.
	PrepareUpload(ctx context.Context, r PrepareUploadRequest) (PrepareUploadResult, error)
	// PrepareDownload tells how to download chunks. Needs role Viewer and a device. *ChunksMissingError.
	PrepareDownload(ctx context.Context, r PrepareDownloadRequest) (PrepareDownloadResult, error)
	// UploadChunk writes a chunk through the host. Needs role Editor and a device. Content of another length is an ErrSize;
	// content whose hash is not its name an ErrInvalid, where Config.ChunkHash is set.
	UploadChunk(ctx context.Context, r UploadChunkRequest) (UploadChunkResult, error)
	// DownloadChunk reads a chunk through the host; the caller closes Content. Needs role Viewer and a device.
	// ErrChunkNotFound.
	DownloadChunk(ctx context.Context, r DownloadChunkRequest) (DownloadChunkResult, error)
}

// Via says how content travels.
type Via string

// ViaHost says to call UploadChunk and DownloadChunk.
const ViaHost Via = "host"

// PrepareUploadRequest is that of Transfers.PrepareUpload.
type PrepareUploadRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	Chunks    []Chunk // at most Limits.Chunks
}

// PrepareUploadResult is that of Transfers.PrepareUpload.
type PrepareUploadResult struct {
	Missing []Chunk // those to upload, each once, in the order asked
	Via     Via
}

// PrepareDownloadRequest is that of Transfers.PrepareDownload.
type PrepareDownloadRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	Names     []string // at most Limits.Chunks
}

// PrepareDownloadResult is that of Transfers.PrepareDownload.
type PrepareDownloadResult struct {
	Chunks []Chunk // each once, in the order asked
	Via    Via
}

// UploadChunkRequest is that of Transfers.UploadChunk.
type UploadChunkRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	Chunk     Chunk
	Content   io.Reader // Chunk.Size bytes
}

// UploadChunkResult is that of Transfers.UploadChunk.
type UploadChunkResult struct{}

// DownloadChunkRequest is that of Transfers.DownloadChunk.
type DownloadChunkRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	Name      string
}

// DownloadChunkResult is that of Transfers.DownloadChunk.
type DownloadChunkResult struct {
	Size    int64
	Content io.ReadCloser
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
	if s.storage == nil {
		return none, errNoStorage
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
		wanted[c.Name] = c.Size
		names = append(names, c.Name)
	}
	l := newLookup(r.Actor, r.Workspace, toWrite, names)
	if err := s.lookUp(ctx, l); err != nil {
		return none, err
	}
	stored, err := s.stat(ctx, l)
	if err != nil {
		return none, err
	}
	res := PrepareUploadResult{Via: ViaHost}
	var bytes int64
	for _, name := range l.names {
		size, ok := l.known[name]
		if !ok {
			size, ok = stored[name]
		}
		switch want := wanted[name]; {
		case !ok:
			res.Missing = append(res.Missing, Chunk{Name: name, Size: want})
			bytes += want
		case size != want:
			return none, fmt.Errorf("%w: chunk %q is stored with %d bytes, not %d", ErrSize, name, size, want)
		}
		if err := l.access.checkUpload(bytes); err != nil {
			return none, err
		}
	}
	return res, nil
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
	if s.storage == nil {
		return none, errNoStorage
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
	stored, err := s.stat(ctx, l)
	if err != nil {
		return none, err
	}
	res := PrepareDownloadResult{Via: ViaHost}
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
		res.Chunks = append(res.Chunks, Chunk{Name: name, Size: size})
	}
	if len(missing) > 0 {
		return none, &ChunksMissingError{Names: missing}
	}
	return res, nil
}

// UploadChunk implements Transfers.
func (s *Service) UploadChunk(ctx context.Context, r UploadChunkRequest) (UploadChunkResult, error) {
	return call(ctx, s, "UploadChunk", func(ctx context.Context) (UploadChunkResult, int, error) {
		return UploadChunkResult{}, 1, s.uploadChunk(ctx, r)
	})
}

func (s *Service) uploadChunk(ctx context.Context, r UploadChunkRequest) error {
	if s.storage == nil {
		return errNoStorage
	}
	if err := r.Chunk.check("Chunk", &s.cfg.Limits); err != nil {
		return err
	}
	if r.Content == nil {
		return &FieldError{Field: "Content", Reason: "is nil"}
	}
	var workspace Workspace
	err := s.view(ctx, r.Actor, r.Workspace, toWrite, func(_ context.Context, _ Reader, acc access) error {
		workspace = *acc.workspace
		return acc.checkUpload(r.Chunk.Size)
	})
	if err != nil {
		return err
	}
	if !workspace.Provisioned { // made while the service had no storage, or its storage was down
		if err := s.provision(ctx, &workspace); err != nil {
			return err
		}
	}
	content := r.Content
	if s.cfg.ChunkHash != nil {
		content = &hashed{from: r.Content, hash: s.cfg.ChunkHash(), want: r.Chunk}
	}
	_, err = s.writer.WriteChunk(ctx, WriteChunkParams{Container: workspace.Container, Chunk: r.Chunk, Content: content})
	return err
}

// hashed turns the end of content that is not what its name says into an error, so that a storage never makes it visible. Content
// of another length is left for the storage to refuse.
type hashed struct {
	from io.Reader
	hash hash.Hash
	want Chunk
	read int64
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	h.hash.Write(p[:n])
	h.read += int64(n)
	if errors.Is(err, io.EOF) && h.read == h.want.Size {
		if got := hex.EncodeToString(h.hash.Sum(nil)); got != h.want.Name {
			return n, &FieldError{Field: "Chunk.Name", Reason: fmt.Sprintf("is not the hash of the content, %s", got)}
		}
	}
	return n, err
}

// DownloadChunk implements Transfers.
func (s *Service) DownloadChunk(ctx context.Context, r DownloadChunkRequest) (DownloadChunkResult, error) {
	return call(ctx, s, "DownloadChunk", func(ctx context.Context) (DownloadChunkResult, int, error) {
		res, err := s.downloadChunk(ctx, r)
		return res, 1, err
	})
}

func (s *Service) downloadChunk(ctx context.Context, r DownloadChunkRequest) (DownloadChunkResult, error) {
	none := DownloadChunkResult{}
	if s.storage == nil {
		return none, errNoStorage
	}
	if err := checkChunkName("Name", r.Name); err != nil {
		return none, err
	}
	var container string
	err := s.view(ctx, r.Actor, r.Workspace, toDownload, func(_ context.Context, _ Reader, acc access) error {
		container = acc.workspace.Container
		return nil
	})
	if err != nil {
		return none, err
	}
	res, err := s.reader.ReadChunk(ctx, ReadChunkParams{Container: container, Name: r.Name})
	return DownloadChunkResult(res), err
}

var errNoStorage = fmt.Errorf("service has no storage: %w", errors.ErrUnsupported)
