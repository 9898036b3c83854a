package stacksync

import (
	"context"
	"io"
	"time"
)

// Transfers is how clients get content into and out of the container of a workspace. Its calls
// return errors.ErrUnsupported in a service without service.Config.Storage.
type Transfers interface {
	// PrepareUpload tells which of some chunks are not stored yet, and how to upload them. Needs
	// role Editor and a device. Its answer may be some moments old: the commit asks again. A chunk
	// stored with another size is an ErrSize; chunks that can't fit the owner's quota are an
	// ErrQuotaExceeded; a Via that the service does not offer is an errors.ErrUnsupported.
	PrepareUpload(ctx context.Context, r PrepareUploadRequest) (PrepareUploadResult, error)
	// PrepareDownload tells how to download chunks. Needs role Viewer and a device.
	// *ChunksMissingError, errors.ErrUnsupported.
	PrepareDownload(ctx context.Context, r PrepareDownloadRequest) (PrepareDownloadResult, error)
	// StorageAccount gives the actor's account at the storage, for transfers by ViaAccount: it
	// makes the account, or mends it, and sees to it that it reaches the workspaces the actor is a
	// member of. All devices of a user have the same account; its secret changes when one of them
	// is revoked. A device asks once, and again when the storage refuses its login. Needs a device.
	// errors.ErrUnsupported where the service offers no ViaAccount. A storage that is down makes it
	// an *OperationError when ctx ends, and the operation goes on without the caller; while many of
	// the user's do, it is an ErrBusy.
	StorageAccount(ctx context.Context, r StorageAccountRequest) (StorageAccountResult, error)
	// UploadChunk writes a chunk through the host. Needs role Editor and a device. Content of
	// another length is an ErrSize; content whose hash is not its name an ErrInvalid, where
	// service.Config.ChunkHash is set.
	UploadChunk(ctx context.Context, r UploadChunkRequest) (UploadChunkResult, error)
	// DownloadChunk reads a chunk through the host; the caller closes Content. Needs role Viewer
	// and a device. ErrChunkNotFound. Where service.Config.ChunkHash is set, Content whose hash is
	// not its name ends with an ErrDamaged in place of its last bytes and io.EOF.
	DownloadChunk(ctx context.Context, r DownloadChunkRequest) (DownloadChunkResult, error)
}

// PrepareUploadRequest is that of Transfers.PrepareUpload.
type PrepareUploadRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
	Chunks    []Chunk     `json:"chunks"`        // at most Limits.Chunks
	Via       Via         `json:"via,omitempty"` // how the client wants to transfer; empty: as the service prefers
	// New says that the client has not begun to upload these chunks before. Then the storage is not
	// asked for them: only those that some version in the workspace names are left out of Missing.
	// To upload one that is stored does no harm.
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

// StorageAccountRequest is that of Transfers.StorageAccount.
type StorageAccountRequest struct {
	Actor `json:"-"` // never from a body: the host has authenticated it
}

// StorageAccountResult is that of Transfers.StorageAccount. It must reach nobody but the actor's
// device.
type StorageAccountResult struct {
	Login  string `json:"login"`
	Secret Secret `json:"secret"`
	// Unlisted are workspaces of which the storage does not let the account in, since it can't list
	// so many, or refuses to: the client reaches their chunks in another way.
	Unlisted []WorkspaceID `json:"unlisted,omitempty"`
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

// Via says how content travels between a client and the storage.
type Via string

// The ways.
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
	Request SignedRequest `json:"request,omitzero"` // where Via is ViaSigned
	Object  string        `json:"object,omitempty"` // its name in the Location, where Via is ViaAccount
}
