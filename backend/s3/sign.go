package s3

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

const mostPut = 5 << 30 // bytes that S3 takes by one request

// The headers that a signed request may have. The client sets Content-Length by itself, from the content.
const (
	headerNoReplace = "If-None-Match"
	headerSHA256    = "X-Amz-Checksum-Sha256"
	headerLength    = "Content-Length"
)

// SignChunks implements stacksync.ChunkSigner. It makes no request to the server, unless Config.Credentials do to get new keys; what is
// signed with such keys expires with them, if that is sooner than Expires.
//
// A Put is good only for content of the chunk's size, at most 5 GiB (a stacksync.ErrLimit), and not for a chunk that is stored, which the
// server answers with 412; where p.SHA256 says so, only for the content that has this hash, else the answer is 400. Pages in a
// browser need a CORS rule of the bucket: see Config.Origins.
func (s *Storage) SignChunks(ctx context.Context, p stacksync.SignChunksParams) (stacksync.SignChunksResult, error) {
	err := check.SignChunks(ctx, p)
	var r stacksync.SignChunksResult
	if err == nil {
		r, err = s.signChunks(ctx, p)
	}
	if err != nil {
		return stacksync.SignChunksResult{}, fmt.Errorf("sign chunks: %w", err)
	}
	return r, nil
}

func (s *Storage) signChunks(ctx context.Context, p stacksync.SignChunksParams) (r stacksync.SignChunksResult, err error) {
	at := s.layout.place(p.Container)
	const most = 7 * 24 * time.Hour              // that S3 takes
	lifetime := p.Lifetime.Truncate(time.Second) // as S3 counts
	r.Expires = time.Now().UTC().Truncate(time.Second).Add(lifetime)
	lifetime = min(lifetime+s.cfg.ClockMargin.Truncate(time.Second), most)
	r.Requests = make([]stacksync.SignedRequest, len(p.Chunks))
	for i := range p.Chunks {
		c := &p.Chunks[i]
		r.Requests[i].Method = p.Method
		var bound http.Header
		if p.Method == stacksync.Put {
			if c.Size > mostPut {
				return r, &stacksync.FieldError{
					Field: fmt.Sprintf("Chunks[%d].Size", i), Reason: fmt.Sprintf("is more than %d bytes", int64(mostPut)), Err: stacksync.ErrLimit,
				}
			}
			r.Requests[i].Header, bound = s.bind(c, p.SHA256)
		}
		u, err := s.signing.PresignHeader(ctx, string(p.Method), at.bucket, at.key(c.Name), lifetime, nil, bound)
		if err != nil {
			return r, fmt.Errorf("chunk %.255q: %w", c.Name, err)
		}
		r.Requests[i].URL = u.String()
	}
	return r, nil
}

// bind returns the headers that a client must send with a Put, and those that are signed.
func (s *Storage) bind(c *stacksync.Chunk, hashed bool) (sent map[string]string, signed http.Header) {
	sent, signed = map[string]string{}, http.Header{}
	if !s.cfg.Unconditional {
		sent[headerNoReplace] = "*"
	}
	if sum, err := hex.DecodeString(c.Name); hashed && err == nil { // which check has looked at
		sent[headerSHA256] = base64.StdEncoding.EncodeToString(sum)
	}
	for name, value := range sent {
		signed.Set(name, value)
	}
	signed.Set(headerLength, strconv.FormatInt(c.Size, 10))
	return sent, signed
}
