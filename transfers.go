package stacksync

import (
	"context"
	"io"
	"time"
)

// Transfers moves content into and out of the container of a workspace. All methods return
// errors.ErrUnsupported in a service without service.Config.Storage.
type Transfers interface {
	// PrepareUpload tells which of some chunks are not stored yet, and how to upload them. Needs
	// role Editor and a device. The answer may be some moments old; the commit looks again.
	//
	// ErrSize: a chunk is stored with another size, or is listed twice with two sizes.
	// ErrQuotaExceeded: the missing chunks would not fit the owner's quota even if all else were
	// deleted. ErrLimit: more than Limits.Chunks chunks. errors.ErrUnsupported: the service does
	// not offer the Via. A *FieldError: a chunk's name is not a SHA-256 in lower-case hexadecimal,
	// where the Via is ViaSigned and service.Config.ChunkHash is SHA-256.
	PrepareUpload(ctx context.Context, r PrepareUploadRequest) (PrepareUploadResult, error)
	// PrepareDownload tells how to download chunks. Needs role Viewer and a device.
	// *ChunksMissingError names the chunks that are not stored. errors.ErrUnsupported: the service
	// does not offer the Via. ErrLimit: more than Limits.Chunks names.
	PrepareDownload(ctx context.Context, r PrepareDownloadRequest) (PrepareDownloadResult, error)
	// StorageAccount returns the actor's account at the storage, for transfers by ViaAccount. It
	// makes the account, or mends it, and gives it access to the workspaces that the actor is a
	// member of. All devices of a user share the account; its secret changes when one of them is
	// revoked. A device asks once, and again when the storage refuses its login. Needs a device.
	//
	// errors.ErrUnsupported: the service does not offer ViaAccount. *OperationError: ctx ended
	// while the storage was down, and the operation goes on without the caller; or the storage
	// refused for good. ErrBusy: 8 such operations of the user wait for the storage already, or
	// another process has taken over the operation.
	StorageAccount(ctx context.Context, r StorageAccountRequest) (StorageAccountResult, error)
	// UploadChunk writes a chunk through the host. Needs role Editor and a device, at the beginning
	// and at the end of Content: a chunk that is stored meanwhile stays as it is. ErrSize: the
	// content has another length than Chunk.Size, or the chunk is stored with another size.
	// ErrQuotaExceeded: the chunk alone is larger than the owner's quota. ErrInvalid:
	// service.Config.ChunkHash is set and the hash of the content is not Chunk.Name.
	// errors.ErrUnsupported: the service does not offer ViaHost.
	UploadChunk(ctx context.Context, r UploadChunkRequest) (UploadChunkResult, error)
	// DownloadChunk reads a chunk through the host. The caller closes Content. Needs role Viewer
	// and a device. ErrChunkNotFound. errors.ErrUnsupported: the service does not offer ViaHost.
	// Where service.Config.ChunkHash is set and the hash of the content is not the chunk's name,
	// reading Content ends with an ErrDamaged in place of the last bytes and io.EOF.
	DownloadChunk(ctx context.Context, r DownloadChunkRequest) (DownloadChunkResult, error)
}

// HostContent gives the host itself content, say for thumbnails or a search index. To find items the
// host reads as the owner of the workspace does, with an Actor that names no device.
type HostContent interface {
	// OpenChunk opens a chunk of any workspace. The caller closes Content. ErrWorkspaceNotFound;
	// ErrChunkNotFound. errors.ErrUnsupported: service.Config.Storage is no ChunkReader, whatever
	// Vias it offers to clients. Where service.Config.ChunkHash is set and the hash of the content is
	// not the chunk's name, reading Content ends with an ErrDamaged in place of the last bytes and
	// io.EOF.
	OpenChunk(ctx context.Context, r OpenChunkRequest) (OpenChunkResult, error)
}

// OpenChunkRequest is the request of HostContent.OpenChunk.
type OpenChunkRequest struct {
	Workspace WorkspaceID
	Name      string // of the chunk
}

// OpenChunkResult is the result of HostContent.OpenChunk.
type OpenChunkResult struct {
	Size    int64 // in bytes
	Content io.ReadCloser
}

// PrepareUploadRequest is the request of Transfers.PrepareUpload.
type PrepareUploadRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID `json:"workspace"`
	Chunks    []Chunk     `json:"chunks"` // at most Limits.Chunks
	// Via is how the client wants to transfer; empty: the first of service.Config.Vias.
	Via Via `json:"via,omitempty"`
	// New says that the client has not begun to upload these chunks before. Then the storage is not
	// asked about them, which is quicker: only the chunks that some version in the workspace names
	// are left out of Missing. Uploading a chunk that is stored already does no harm.
	New bool `json:"new,omitempty"`
}

// PrepareUploadResult is the result of Transfers.PrepareUpload.
type PrepareUploadResult struct {
	Via     Via        `json:"via"`
	Missing []Transfer `json:"missing"` // the chunks to upload, each once, in the order asked
	// Expires is when the signed requests stop working. Zero unless Via is ViaSigned.
	Expires time.Time `json:"expires,omitzero"`
	// Location is where the client finds the Objects of Missing. nil unless Via is ViaAccount.
	Location *Location `json:"location,omitempty"`
}

// PrepareDownloadRequest is the request of Transfers.PrepareDownload.
type PrepareDownloadRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID `json:"workspace"`
	Names     []string    `json:"names"` // at most Limits.Chunks
	// Via is how the client wants to transfer; empty: the first of service.Config.Vias.
	Via Via `json:"via,omitempty"`
}

// PrepareDownloadResult is the result of Transfers.PrepareDownload.
type PrepareDownloadResult struct {
	Via    Via        `json:"via"`
	Chunks []Transfer `json:"chunks"` // each chunk once, in the order asked
	// Expires is when the signed requests stop working. Zero unless Via is ViaSigned.
	Expires time.Time `json:"expires,omitzero"`
	// Location is where the client finds the Objects of Chunks. nil unless Via is ViaAccount.
	Location *Location `json:"location,omitempty"`
}

// StorageAccountRequest is the request of Transfers.StorageAccount.
type StorageAccountRequest struct {
	Actor `json:"-"` // set by the host, which authenticated the actor; never read from a body
}

// StorageAccountResult is the result of Transfers.StorageAccount. The host must hand it to nobody
// but the actor's device.
type StorageAccountResult struct {
	Login  string `json:"login"`
	Secret Secret `json:"secret"`
	// Unlisted are the workspaces that the account does not reach, because the storage can't list
	// so many accounts for one container, or refuses to. The client reaches their chunks by another
	// Via.
	Unlisted []WorkspaceID `json:"unlisted,omitempty"`
}

// UploadChunkRequest is the request of Transfers.UploadChunk.
type UploadChunkRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID `json:"workspace"`
	Chunk     Chunk       `json:"chunk"`
	Content   io.Reader   `json:"-"` // Chunk.Size bytes
}

// UploadChunkResult is the result of Transfers.UploadChunk.
type UploadChunkResult struct{}

// DownloadChunkRequest is the request of Transfers.DownloadChunk.
type DownloadChunkRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID `json:"workspace"`
	Name      string      `json:"name"`
}

// DownloadChunkResult is the result of Transfers.DownloadChunk.
type DownloadChunkResult struct {
	Size    int64         `json:"size"`
	Content io.ReadCloser `json:"-"`
}

// Via says how content travels between a client and the storage.
type Via string

// The ways on which content travels.
const (
	// ViaSigned: the client sends each Transfer's Request to the storage. The storage must be a
	// ChunkSigner.
	ViaSigned Via = "signed"
	// ViaHost: the client calls UploadChunk and DownloadChunk. The storage must be a ChunkWriter
	// and a ChunkReader.
	ViaHost Via = "host"
	// ViaAccount: the client logs in at the Location with its StorageAccount, and transfers each
	// Transfer's Object. The storage must be an AccountProvisioner.
	ViaAccount Via = "account"
)

// Transfer is a chunk and how to transfer its content.
type Transfer struct {
	Chunk
	Request SignedRequest `json:"request,omitzero"` // set where Via is ViaSigned
	Object  string        `json:"object,omitempty"` // its name in the Location; set where Via is ViaAccount
}
