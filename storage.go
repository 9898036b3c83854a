package stacksync

import (
	"context"
	"io"
	"time"
)

// StorageProvisioner makes, fills and deletes the containers that hold the content of workspaces.
// Optional interfaces add to it (ChunkWriter, ChunkReader, ChunkSigner, AccountProvisioner); As
// finds those that a back-end has.
//
// The contract, which backendtest checks:
//   - The name of a container is 1 to 63 characters of a-z, 0-9 and "-", and starts and ends with a
//     letter or digit; the service makes it. The name of a chunk is 1 to 255 printable ASCII
//     characters, whatever they mean to the back-end: no name reaches outside its container. Any
//     other name is an ErrInvalid.
//   - Chunks never change. Writing a chunk that is stored leaves it as it is, or replaces it with
//     the same bytes.
//   - A chunk is visible whole or not at all, and once its write has returned it survives a crash.
//   - A call that has succeeded may be repeated, and succeeds again: creating a container that
//     exists, deleting what is gone, copying chunks that were copied.
//   - A missing container reads as an empty one. Names of containers are not used again: a back-end
//     may believe for a minute that a container exists which another process has deleted.
//   - Names may be given twice and in any number. Results come in no promised order unless the
//     method says so.
//
// All methods may be called from many goroutines. Cancelling ctx stops the work soon; what was done
// until then stays done.
type StorageProvisioner interface {
	// CreateContainer makes an empty container. A container that exists stays as it is, with its
	// chunks.
	CreateContainer(ctx context.Context, p CreateContainerParams) (CreateContainerResult, error)
	// DeleteContainer deletes a container with all its chunks. It works in steps, and can be called
	// again after a failure. A missing container counts as deleted.
	DeleteContainer(ctx context.Context, p DeleteContainerParams) (DeleteContainerResult, error)
	// StatChunks tells which of some chunks are stored, and how large they are. Missing chunks are
	// left out of the answer.
	StatChunks(ctx context.Context, p StatChunksParams) (StatChunksResult, error)
	// CopyChunks copies chunks from one container of this back-end to another. *ChunksMissingError
	// names the missing source chunks; it is returned after all other chunks were copied. ErrSize:
	// the target has a chunk of that name with another size, which stays as it is; the other chunks
	// may be copied or not. ErrNotFound: the target container is missing.
	CopyChunks(ctx context.Context, p CopyChunksParams) (CopyChunksResult, error)
	// DeleteChunks deletes chunks. Missing chunks count as deleted.
	DeleteChunks(ctx context.Context, p DeleteChunksParams) (DeleteChunksResult, error)
	// ListChunks pages through the chunks of a container, in an order of the back-end's own that
	// does not change. Chunks that are written or deleted meanwhile may show or not; all others
	// show exactly once.
	ListChunks(ctx context.Context, p ListChunksParams) (ListChunksResult, error)
}

// ChunkWriter is an optional interface of a StorageProvisioner: the host can write content through
// it.
type ChunkWriter interface {
	// WriteChunk stores p.Size bytes of p.Content under p.Name. ErrSize: the content is shorter or
	// longer, or a chunk of that name is stored with another size. ErrNotFound: the container is
	// missing. After these errors, after any other error, and after a crash, nothing is visible,
	// unless the storage had finished and only its answer was lost. A back-end tries again by
	// itself only where Content is an io.Seeker.
	//
	// A chunk that another writer stores while Content is on its way stays as it is, whatever Content
	// brings: the call then succeeds, or is an ErrSize where the sizes differ.
	//
	// WriteChunk returns soon after ctx has ended, also while a Read of Content blocks. That Read
	// may go on after the return, and no other follows it. So a caller that uses or closes Content
	// afterwards must wait for that Read, or Content must allow both at once, as files and
	// connections do.
	WriteChunk(ctx context.Context, p WriteChunkParams) (WriteChunkResult, error)
}

// ChunkReader is an optional interface of a StorageProvisioner: the host can read content through
// it.
type ChunkReader interface {
	// ReadChunk opens a chunk; the caller closes its Content. A missing chunk is an
	// ErrChunkNotFound.
	ReadChunk(ctx context.Context, p ReadChunkParams) (ReadChunkResult, error)
}

// CreateContainerParams are the parameters of StorageProvisioner.CreateContainer.
type CreateContainerParams struct{ Container string }

// CreateContainerResult is the result of StorageProvisioner.CreateContainer.
type CreateContainerResult struct{}

// DeleteContainerParams are the parameters of StorageProvisioner.DeleteContainer.
type DeleteContainerParams struct{ Container string }

// DeleteContainerResult is the result of StorageProvisioner.DeleteContainer.
type DeleteContainerResult struct{}

// StatChunksParams are the parameters of StorageProvisioner.StatChunks.
type StatChunksParams struct {
	Container string
	Names     []string
	// MayLag says that the answer may be some moments old, where that is quicker: from a listing
	// that lags behind, say.
	MayLag bool
}

// StatChunksResult is the result of StorageProvisioner.StatChunks.
type StatChunksResult struct {
	Chunks []Chunk // the chunks that are stored, each once
}

// CopyChunksParams are the parameters of StorageProvisioner.CopyChunks.
type CopyChunksParams struct {
	From, To string // names of containers
	Names    []string
}

// CopyChunksResult is the result of StorageProvisioner.CopyChunks.
type CopyChunksResult struct{}

// DeleteChunksParams are the parameters of StorageProvisioner.DeleteChunks.
type DeleteChunksParams struct {
	Container string
	Names     []string
}

// DeleteChunksResult is the result of StorageProvisioner.DeleteChunks.
type DeleteChunksResult struct{}

// ListChunksParams are the parameters of StorageProvisioner.ListChunks.
type ListChunksParams struct {
	Container string
	// After is Next of the page before; empty for the first page.
	After string
	// Limit is the most chunks a page may have; 0 means 1,000. A page may have fewer.
	Limit int
}

// ListChunksResult is the result of StorageProvisioner.ListChunks.
type ListChunksResult struct {
	Chunks []StoredChunk
	// Next is After of the next page; empty after the last page.
	Next string
}

// StoredChunk is a chunk as the storage lists it.
type StoredChunk struct {
	Chunk
	// StoredAt is when the chunk was stored, by the storage's own clock.
	StoredAt time.Time
}

// WriteChunkParams are the parameters of ChunkWriter.WriteChunk.
type WriteChunkParams struct {
	Container string
	Chunk
	Content io.Reader
}

// WriteChunkResult is the result of ChunkWriter.WriteChunk.
type WriteChunkResult struct{}

// ReadChunkParams are the parameters of ChunkReader.ReadChunk.
type ReadChunkParams struct {
	Container string
	Name      string
}

// ReadChunkResult is the result of ChunkReader.ReadChunk.
type ReadChunkResult struct {
	Size    int64
	Content io.ReadCloser
}
