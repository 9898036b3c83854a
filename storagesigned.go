package stacksync

import (
	"context"
	"time"
)

// ChunkSigner is a StorageProvisioner that makes HTTP requests which clients send to the storage
// themselves, without an account there.
type ChunkSigner interface {
	// SignChunks makes a request for each chunk: Requests[i] for Chunks[i]. It makes no round trip
	// for each. Whether the container or the chunks exist is not looked at: what a request puts
	// into a container that was deleted meanwhile stays unseen, and goes with the next
	// DeleteContainer.
	SignChunks(ctx context.Context, p SignChunksParams) (SignChunksResult, error)
}

// Method says what a signed request is for.
type Method string

// The methods of a SignedRequest.
const (
	Get Method = "GET"
	Put Method = "PUT"
)

// SignChunksParams are those of ChunkSigner.SignChunks.
type SignChunksParams struct {
	Container string
	Method    Method
	Chunks    []Chunk // for Get, sizes do not matter
	// Lifetime is how long the requests are good for, by the clock of this machine: 1 second to 7
	// days, which is what S3 allows.
	Lifetime time.Duration
	// SHA256 says that the chunks' names are the lower-case hexadecimal SHA-256 of their content. A
	// storage that can refuses a Put of what has another one. Without meaning for Get.
	SHA256 bool
}

// SignChunksResult is that of ChunkSigner.SignChunks.
type SignChunksResult struct {
	Requests []SignedRequest
	Expires  time.Time
}

// SignedRequest is an HTTP request for the content of one chunk. Whoever has it can send it, and
// more than once, until it expires: treat it as a secret. A redirect is not to be followed.
//
// A Put brings exactly the chunk's bytes, with their Content-Length. Its success is any 2xx; 412
// (Precondition Failed) says that the chunk is stored already, which is as good. The answer to a
// Get is 200 with the content, or 404. 401 and 403 say that the request has expired: ask for
// another one. After 408, 409, 429 and 5xx try again later, as Retry-After says.
type SignedRequest struct {
	Method Method `json:"method"`
	URL    string `json:"url"`
	// Header has what must be sent along as it is.
	Header map[string]string `json:"header,omitempty"`
}
