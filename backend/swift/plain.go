package swift

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Swift has objects whose content lies in other objects of the account: dynamic large objects (X-Object-Manifest), static large
// objects (X-Static-Large-Object) and symbolic links (X-Symlink-Target). An editor's account can put one into its container that
// names a container which the editor must not read. The Storage is an operator, for whom Swift would follow it.
//
// So each request that reads asks for the object itself, by ownQuery, which Swift never follows, and looks at the answer's header:
// what is not plain is no chunk.

// ownQuery asks for an object itself. On a plain object it has no effect.
const ownQuery = "multipart-manifest=get&symlink=get"

// The headers by which an answer to ownQuery tells that an object is not plain.
const (
	dynamicHeader = "X-Object-Manifest"
	staticHeader  = "X-Static-Large-Object"
	linkHeader    = "X-Symlink-Target"
)

// versionMark is in the link's target where Swift itself has made the link, since the container keeps versions: in a link that a
// client makes the question mark is escaped.
const versionMark = "?version-id="

// ErrVersioned says that an operator has made a container keep versions of its objects (X-Versions-Enabled, X-Versions-Location or
// X-History-Location). A chunk that was deleted would come back, or go on taking space, so such a container is refused. Set the
// header X-Versions-Enabled of the container to false, or remove the other one.
var ErrVersioned = errors.New("the container keeps versions of its objects")

// isPlain reports whether the answer to ownQuery is about an object that has its content itself.
func isPlain(h http.Header) (bool, error) {
	if strings.Contains(h.Get(linkHeader), versionMark) {
		return false, ErrVersioned
	}
	return h.Get(dynamicHeader) == "" && h.Get(staticHeader) == "" && h.Get(linkHeader) == "", nil
}

// kept reports whether the answer to a HEAD or GET of a container says that it keeps versions.
func kept(h http.Header) bool {
	return strings.EqualFold(h.Get("X-Versions-Enabled"), "true") || h.Get("X-Versions-Location") != "" || h.Get("X-History-Location") != ""
}

// seen is what is stored under the name of an object.
type seen struct {
	there bool
	plain bool // whether it is a chunk
	size  int64
	etag  string
	ends  bool // X-Delete-At
}

// look asks for one object, and never follows it.
func (s *Storage) look(ctx context.Context, container, object string) (seen, error) {
	res, err := s.do(ctx, request{
		method: http.MethodHead, container: container, object: object, query: ownQuery, ok: []int{http.StatusOK, http.StatusNoContent},
	})
	if isStatus(err, http.StatusNotFound) {
		return seen{}, nil
	}
	if err != nil {
		return seen{}, err
	}
	f := seen{there: true, size: res.size, etag: res.header.Get("Etag"), ends: res.header.Get("X-Delete-At") != ""}
	if f.plain, err = isPlain(res.header); err != nil {
		return seen{}, err
	}
	if f.plain && f.size < 0 {
		return seen{}, errNoSize
	}
	return f, nil
}

var errNoSize = errors.New("the answer does not tell the size")

// stat looks for a chunk. One that would delete itself (X-Delete-At, which whoever brings an object can set) is kept from that, else it
// counts as missing.
func (s *Storage) stat(ctx context.Context, container, object string) (f seen, err error) {
	if f, err = s.look(ctx, container, object); err != nil || !f.plain || !f.ends {
		return f, err
	}
	ok, err := s.touch(ctx, container, object)
	if !ok || err != nil {
		return seen{}, err
	}
	return f, nil
}

// makeRoom removes an object that is no chunk from where one belongs. What it names stays.
func (s *Storage) makeRoom(ctx context.Context, container, object string) error {
	s.log.Warn("removing an object that is no chunk from the place of one", "container", container, "object", object)
	_, err := s.do(ctx, request{
		method: http.MethodDelete, container: container, object: object, overtaken: true, ok: []int{http.StatusNoContent, http.StatusNotFound},
	})
	if err != nil {
		return fmt.Errorf("remove what is no chunk: %w", err)
	}
	return nil
}
