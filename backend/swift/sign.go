package swift

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
	"github.com/stacksync/stacksync-go/backend/internal/objectname"
)

// Signing configures requests that clients send to Swift themselves: its temporary URLs, signed with HMAC-SHA256.
//
// Each container has a key of its own, made of a master key and the container's name, and not one key for the account: with that, whoever
// may put one object could have Swift copy any other one of the account into it (X-Copy-From). With a container's key the other one must
// be of the same container. The master key never leaves the host. The containers' keys are part of their metadata in Swift, which
// only operators of the project see: CreateContainer sets them, and the first SignChunks of a process for a container looks whether
// they are there, by that call's only request, and sets them where they are not.
//
// A temporary URL can't ask for an object itself where that has its content elsewhere, as the Storage does: Swift follows it, but with
// the container's key only within the same container. So it brings nothing that whoever may read the container may not read. A put can
// make no such object.
//
// A container whose key is missing, since it is missing itself, answers 401.
//
// What a temporary URL does not bind: it holds for whatever length and content is sent, and also where an object is stored already.
// Signed puts have an If-None-Match header, which a client that means well sends, and Swift then leaves what is stored as it is; a client
// that leaves it out replaces its workspace's chunk. The service looks at sizes when chunks are committed.
//
// # Changing keys
//
// A container has two keys, which are both good. To change the master key from old to new, while several processes run: give all
// of them Keys [old, new]; then [new, old]; when the longest Lifetime that was signed for is over, [new]. A request signed before
// then goes on working. A proxy that does not share its memcached with the others goes by the former keys of a container for a minute, and
// refuses what it does not know: so while a container has its first key for less than Remembered, and has the second from before, the
// second signs. When the first key came is noted at the container, for all processes. Where a key has leaked, go to [new] at once: what was
// signed with the old key stops working at each container's next SignChunks, and on proxies without a shared memcached there is a gap of
// a minute.
//
// # Clocks
//
// A temporary URL ends by Swift's clock, and is made by this machine's. Where Swift's is ahead by more than the Lifetime, requests are
// refused from the start: ClockMargin makes up for that. Where Swift's clock is behind, they are good for as much longer.
type Signing struct {
	// Keys are one or two master keys of at least 32 characters each. The first one signs, but see Remembered; what the second has signed,
	// or will have, is accepted.
	Keys []stacksync.Secret
	// Remembered is for how long a proxy may go by the former keys of a container: Swift's recheck_container_existence. Defaults to
	// 1 minute, as Swift does; 1 ns where all proxies share their memcached.
	Remembered time.Duration
	// ClockMargin is how far Swift's clock may be ahead of this machine's: signed requests are good for that much longer than SignChunks
	// says. At most an hour. Defaults to 0, for clocks that are kept right.
	ClockMargin time.Duration
}

func (c *Signing) check() error {
	const (
		most  = 2  // that a container can have in Swift
		least = 32 // characters
	)
	if n := len(c.Keys); n == 0 || n > most {
		return &stacksync.FieldError{Field: "Signing.Keys", Reason: "are not one or two"}
	}
	switch {
	case c.Remembered < 0:
		return &stacksync.FieldError{Field: "Signing.Remembered", Reason: "is negative"}
	case c.ClockMargin < 0 || c.ClockMargin > time.Hour:
		return &stacksync.FieldError{Field: "Signing.ClockMargin", Reason: "is not 0 to 1 hour"}
	}
	for i, key := range c.Keys {
		if len(key) < least {
			return &stacksync.FieldError{Field: fmt.Sprintf("Signing.Keys[%d]", i), Reason: fmt.Sprintf("has fewer than %d characters", least)}
		}
	}
	return nil
}

// key returns a container's key, in hexadecimal since it goes into a header.
func key(master stacksync.Secret, container string) string {
	return sign(string(master), "stacksync temporary URL key of container "+container)
}

func sign(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// containerKeys returns a container's key, and the second one, which is empty where there is none. It is a function since those print
// no secrets.
type containerKeys func(container string) (first, second string)

// containerKeys returns nil of a nil Signing.
func (c *Signing) containerKeys() containerKeys {
	if c == nil {
		return nil
	}
	masters := slices.Clone(c.Keys)
	return func(container string) (first, second string) {
		if len(masters) > 1 {
			second = key(masters[1], container)
		}
		return key(masters[0], container), second
	}
}

// signer is the Storage's stacksync.ChunkSigner.
type signer struct {
	stacksync.StorageProvisioner // the Storage
	s                            *Storage
	inner                        stacksync.StorageProvisioner
	host, path                   string // of the account's URL

	mu sync.Mutex
	// ready has the containers whose keys this process has looked at.
	ready map[string]signing
}

// Unwrap returns what else the Storage is.
func (g *signer) Unwrap() stacksync.StorageProvisioner { return g.inner }

func (s *Storage) newSigner(inner stacksync.StorageProvisioner) (*signer, error) {
	if s.info.known {
		switch t := s.info.TempURL; {
		case t == nil:
			return nil, errors.New("this Swift has no temporary URLs (middleware tempurl)")
		case !slices.Contains(t.Digests, "sha256"):
			return nil, fmt.Errorf("this Swift's temporary URLs can't be signed with SHA-256, only %q", t.Digests)
		case !slices.Contains(t.Methods, http.MethodGet) || !slices.Contains(t.Methods, http.MethodPut):
			return nil, fmt.Errorf("this Swift's temporary URLs are not for GET and PUT, only %q", t.Methods)
		}
	}
	u, err := url.Parse(s.url)
	if err != nil {
		return nil, fmt.Errorf("the object store's URL: %w", err)
	}
	// Swift signs /v1/ACCOUNT/…, whatever a proxy before it puts there: see tempurl's documentation on Split.
	i := strings.LastIndex(u.Path, "/v1/")
	if i < 0 {
		return nil, fmt.Errorf("the object store's URL %s has no /v1/", s.url)
	}
	return &signer{
		StorageProvisioner: s, s: s, inner: inner, host: s.url[:len(s.url)-len(u.EscapedPath())] + u.EscapedPath()[:i], path: u.Path[i:],
		ready: map[string]signing{},
	}, nil
}

// SignChunks implements stacksync.ChunkSigner. See Signing for what the requests bind. SHA256 makes no difference.
func (g *signer) SignChunks(ctx context.Context, p stacksync.SignChunksParams) (stacksync.SignChunksResult, error) {
	err := check.SignChunks(ctx, p)
	container := g.s.container(p.Container)
	var known signing
	if err == nil {
		known, err = g.setKeys(ctx, container)
	}
	if err != nil {
		return stacksync.SignChunksResult{}, fmt.Errorf("sign chunks: %w", err)
	}
	return g.signChunks(p, container, g.keyOf(container, known)), nil
}

func (g *signer) signChunks(p stacksync.SignChunksParams, container, key string) stacksync.SignChunksResult {
	// Swift looks at whole seconds: it is rounded up.
	expires := time.Now().Add(p.Lifetime + time.Second - 1).Truncate(time.Second)
	unix := strconv.FormatInt(expires.Add(g.s.signing.ClockMargin).Unix(), 10)
	r := stacksync.SignChunksResult{Requests: make([]stacksync.SignedRequest, len(p.Chunks)), Expires: expires}
	for i, c := range p.Chunks {
		path := g.path + "/" + container + "/" + objectname.Of(c.Name)
		signature := sign(key, string(p.Method)+"\n"+unix+"\n"+path)
		r.Requests[i] = stacksync.SignedRequest{
			Method: p.Method, URL: g.host + path + "?temp_url_sig=" + signature + "&temp_url_expires=" + unix,
		}
		if p.Method == stacksync.Put {
			r.Requests[i].Header = map[string]string{"If-None-Match": "*"}
		}
	}
	return r
}
