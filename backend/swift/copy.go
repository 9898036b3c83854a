package swift

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
	"github.com/stacksync/stacksync-go/backend/internal/objectname"
)

// CopyChunks implements stacksync.StorageProvisioner. Swift copies by itself; a chunk that is stored with the same size is not copied again,
// but counts as stored now. A missing To is a stacksync.ErrNotFound, a chunk that is stored there with another size a stacksync.ErrSize.
func (s *Storage) CopyChunks(ctx context.Context, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
	err := check.CopyChunks(ctx, p)
	if err == nil {
		err = s.copyChunks(ctx, p)
	}
	if err != nil {
		return stacksync.CopyChunksResult{}, fmt.Errorf("copy chunks: %w", err)
	}
	return stacksync.CopyChunksResult{}, nil
}

func (s *Storage) copyChunks(ctx context.Context, p stacksync.CopyChunksParams) error {
	names := unique(p.Names)
	missing := make([]bool, len(names))
	toExists := sync.OnceValues(func() (bool, error) { return s.exists(ctx, s.container(p.To)) })
	err := s.each(ctx, len(names), func(ctx context.Context, i int) error {
		ok, err := s.copyChunk(ctx, s.container(p.From), s.container(p.To), objectname.Of(names[i]))
		if err == nil && !ok {
			// Swift says the same whichever is missing.
			if ok, err = toExists(); err == nil && !ok {
				return missingContainer(p.To)
			}
			missing[i] = true
		}
		if err != nil {
			return fmt.Errorf("%q: %w", names[i], err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	i := -1
	names = slices.DeleteFunc(names, func(string) bool { i++; return !missing[i] })
	if len(names) > 0 {
		return &stacksync.ChunksMissingError{Names: names}
	}
	return nil
}

// copyChunk reports whether there were a chunk and a container to copy it to.
func (s *Storage) copyChunk(ctx context.Context, from, to, object string) (bool, error) {
	const rounds = 3 // an editor's account may replace the source meanwhile
	for round := 1; ; round++ {
		source, err := s.look(ctx, from, object)
		if !source.plain || err != nil {
			return false, err
		}
		stored, err := s.stat(ctx, to, object)
		if err != nil {
			return false, err
		}
		if stored.plain {
			if source.size != stored.size {
				return false, fmt.Errorf("%w: the stored chunk has %d bytes, not %d", stacksync.ErrSize, stored.size, source.size)
			}
			if ok, err := s.touch(ctx, to, object); ok || err != nil {
				return ok, err
			}
		}
		ok, err := s.copyOwn(ctx, from, to, object, source)
		if !isStatus(err, http.StatusPreconditionFailed) || round == rounds {
			return ok, err
		}
	}
}

// copyOwn has Swift copy an object that was seen to be plain, with the content that it had then. If-Match is about the source, and so
// would If-None-Match be. Fresh metadata leave out X-Delete-At.
func (s *Storage) copyOwn(ctx context.Context, from, to, object string, source seen) (bool, error) {
	_, err := s.do(ctx, request{
		method: http.MethodPut, container: to, object: object, query: ownQuery, ok: []int{http.StatusCreated}, overtaken: true,
		header: map[string]string{
			"X-Copy-From": "/" + from + "/" + object, "X-Fresh-Metadata": "true", "Content-Type": "application/octet-stream", "Content-Length": "0",
			"If-Match": source.etag,
		},
	})
	if isStatus(err, http.StatusNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// The source can have become a manifest of the same bytes meanwhile: then the copy is one, too, and the answer does not tell.
	copied, err := s.look(ctx, to, object)
	if err == nil && copied.there && !copied.plain {
		return false, s.makeRoom(ctx, to, object)
	}
	return copied.plain, err
}
