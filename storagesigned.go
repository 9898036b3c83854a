package stacksync

import (
	"context"
	"time"
)

// ChunkSigner is an optional interface of a StorageProvisioner: it makes HTTP requests that clients
// send to the storage themselves, without an account there.
type ChunkSigner interface {
	// SignChunks makes a request for each chunk: Requests[i] for Chunks[i]. It does not make a
	// round trip for each chunk, and does not look whether the container or the chunks exist. If a
	// request puts a chunk into a container that was deleted meanwhile, nothing shows that chunk,
	// and the next DeleteContainer deletes it.
	SignChunks(ctx context.Context, p SignChunksParams) (SignChunksResult, error)
}

// Method is the HTTP method of a signed request.
type Method string

// The methods of a SignedRequest.
const (
	Get Method = "GET"
	Put Method = "PUT"
)

// SignChunksParams are the parameters of ChunkSigner.SignChunks.
type SignChunksParams struct {
	Container string
	Method    Method
	Chunks    []Chunk // for Get, the sizes do not matter
	// Lifetime is how long the requests work, by the clock of this machine: 1 second to 7 days, the
	// longest that S3 allows.
	Lifetime time.Duration
	// SHA256 says that each chunk's name is the lower-case hexadecimal SHA-256 of its content. A
	// storage that can check this refuses a Put of content with another hash. Without meaning for
	// Get.
	SHA256 bool
}

// SignChunksResult is the result of ChunkSigner.SignChunks.
type SignChunksResult struct {
	Requests []SignedRequest
	Expires  time.Time
}

// SignedRequest is an HTTP request for the content of one chunk. Anybody who has it can send it,
// and more than once, until it expires: treat it as a secret. Do not follow redirects.
//
// The body of a Put is exactly the chunk's bytes, with their Content-Length. Any 2xx is success;
// 412 (Precondition Failed) says that the chunk is stored already, which is as good. The answer to
// a Get is 200 with the content, or 404. 401 and 403 say that the request has expired: ask for
// another one. After 408, 409, 429 and 5xx try again later, as Retry-After says.
type SignedRequest struct {
	Method Method `json:"method"`
	URL    string `json:"url"`
	// Header has the header fields that must be sent along unchanged.
	Header map[string]string `json:"header,omitempty"`
}
