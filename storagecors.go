package stacksync

import "context"

// OriginSetter is a ChunkSigner whose storage tells browsers which web sites' pages may send signed
// requests: by the rules of CORS, a browser asks the storage first (a preflight), and keeps the
// answer from pages of other origins. It guards users of browsers, not chunks: other programs send
// what they like.
type OriginSetter interface {
	// SetOrigins lets pages of these origins, and no others, send signed requests for the chunks of
	// a container. Where the storage has one rule for several containers, it is that of all of
	// them. It holds at once, or within a bound that the back-end documents; a browser may go by a
	// former answer for an hour. A missing container is an ErrNotFound. New containers get the
	// origins that the back-end was configured with.
	SetOrigins(ctx context.Context, p SetOriginsParams) (SetOriginsResult, error)
}

// SetOriginsParams are those of OriginSetter.SetOrigins.
type SetOriginsParams struct {
	Container string
	// Origins are those of web sites, as browsers write them: "https://app.example.com",
	// "http://localhost:8080"; or "*" for any. At most 100; none lets no page send requests.
	Origins []string
}

// SetOriginsResult is that of OriginSetter.SetOrigins.
type SetOriginsResult struct{}
