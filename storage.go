package stacksync

import (
	"context"
	"io"
	"time"
)

// StorageProvisioner makes and empties the containers that hold the content of workspaces. What
// else a back-end can do is found as optional interfaces (ChunkWriter, ChunkReader, ChunkSigner,
// AccountProvisioner) by As.
//
// The contract, which backendtest checks:
//   - A container's name is 1 to 63 characters of a-z, 0-9 and "-", starting and ending with a
//     letter or digit; the service makes it. A chunk's name is 1 to 255 printable ASCII characters,
//     whatever they mean to the back-end: no name reaches outside its container.
//   - Chunks never change: writing a chunk that is stored leaves it as it is, or replaces it with
//     the same bytes.
//   - A chunk is visible whole or not at all, and once its write has returned it survives a crash.
//   - Calling again what succeeded succeeds: creating what exists, deleting what is gone, copying
//     what was copied.
//   - A missing container reads as an empty one. Names of containers are not used again: a back-end
//     may take one that another process has deleted for existing for a minute longer.
//   - Names may be given twice and in any number; a result answers in no promised order unless it
//     says so.
//
// All methods may be called from many goroutines. Cancelling ctx stops the work soon; what was done
// stays done.
type StorageProvisioner interface {
	CreateContainer(ctx context.Context, p CreateContainerParams) (CreateContainerResult, error)
	// DeleteContainer deletes a container with all its chunks. It works in steps and can be called
	// again after a failure.
	DeleteContainer(ctx context.Context, p DeleteContainerParams) (DeleteContainerResult, error)
	// StatChunks tells which chunks are stored, and how large they are. Missing ones are left out
	// of the answer.
	StatChunks(ctx context.Context, p StatChunksParams) (StatChunksResult, error)
	// CopyChunks copies chunks between containers of this back-end. A missing source chunk is named
	// in the *ChunksMissingError that is returned after the others have been copied. Where To has a
	// chunk of the name with another size, it stays as it is, and the call is an ErrSize: the
	// others may be copied or not.
	CopyChunks(ctx context.Context, p CopyChunksParams) (CopyChunksResult, error)
	// DeleteChunks deletes chunks; missing ones count as deleted.
	DeleteChunks(ctx context.Context, p DeleteChunksParams) (DeleteChunksResult, error)
	// ListChunks pages through the chunks of a container in an order of the back-end's own that
	// does not change. Chunks written or deleted meanwhile may or may not show; all others show
	// exactly once.
	ListChunks(ctx context.Context, p ListChunksParams) (ListChunksResult, error)
}

// ChunkWriter is a StorageProvisioner through which the host can write content.
type ChunkWriter interface {
	// WriteChunk stores p.Size bytes of p.Content under p.Name. Content that is shorter or longer
	// is an ErrSize, as is a chunk that is stored already with another size, a missing container an
	// ErrNotFound; then, and after any other error or a crash, nothing is visible, unless the
	// storage had finished and only its answer was lost. A back-end tries again by itself only
	// where Content is an io.Seeker.
	//
	// It returns soon after ctx has ended, also while Content blocks. Then one Read of Content may
	// still go on, and none follows it: what else uses Content afterwards, or closes it, must wait
	// for that Read, or be made for both at once, as files and connections are.
	WriteChunk(ctx context.Context, p WriteChunkParams) (WriteChunkResult, error)
}

// ChunkReader is a StorageProvisioner through which the host can read content.
type ChunkReader interface {
	// ReadChunk opens a chunk; the caller closes its Content. A missing one is an ErrChunkNotFound.
	ReadChunk(ctx context.Context, p ReadChunkParams) (ReadChunkResult, error)
}

// CreateContainerParams are those of StorageProvisioner.CreateContainer.
type CreateContainerParams struct{ Container string }

// CreateContainerResult is that of StorageProvisioner.CreateContainer.
type CreateContainerResult struct{}

// DeleteContainerParams are those of StorageProvisioner.DeleteContainer.
type DeleteContainerParams struct{ Container string }

// DeleteContainerResult is that of StorageProvisioner.DeleteContainer.
type DeleteContainerResult struct{}

// StatChunksParams are those of StorageProvisioner.StatChunks.
type StatChunksParams struct {
	Container string
	Names     []string
	// MayLag says that the answer may be some moments old, where that is quicker: from a listing
	// that lags behind, say.
	MayLag bool
}

// StatChunksResult is that of StorageProvisioner.StatChunks.
type StatChunksResult struct {
	Chunks []Chunk // those that are stored, each once
}

// CopyChunksParams are those of StorageProvisioner.CopyChunks.
type CopyChunksParams struct {
	From, To string // containers
	Names    []string
}

// CopyChunksResult is that of StorageProvisioner.CopyChunks.
type CopyChunksResult struct{}

// DeleteChunksParams are those of StorageProvisioner.DeleteChunks.
type DeleteChunksParams struct {
	Container string
	Names     []string
}

// DeleteChunksResult is that of StorageProvisioner.DeleteChunks.
type DeleteChunksResult struct{}

// ListChunksParams are those of StorageProvisioner.ListChunks.
type ListChunksParams struct {
	Container string
	// After is the Next of the page before; empty for the first.
	After string
	// Limit is the most chunks a page may have; 0 means 1,000. A page may have fewer.
	Limit int
}

// ListChunksResult is that of StorageProvisioner.ListChunks.
type ListChunksResult struct {
	Chunks []StoredChunk
	// Next is the After of the next page; empty after the last one.
	Next string
}

// StoredChunk is a chunk as the storage lists it.
type StoredChunk struct {
	Chunk
	// StoredAt is the storage's own clock: how long the chunk has been there.
	StoredAt time.Time
}

// WriteChunkParams are those of ChunkWriter.WriteChunk.
type WriteChunkParams struct {
	Container string
	Chunk
	Content io.Reader
}

// WriteChunkResult is that of ChunkWriter.WriteChunk.
type WriteChunkResult struct{}

// ReadChunkParams are those of ChunkReader.ReadChunk.
type ReadChunkParams struct {
	Container string
	Name      string
}

// ReadChunkResult is that of ChunkReader.ReadChunk.
type ReadChunkResult struct {
	Size    int64
	Content io.ReadCloser
}
