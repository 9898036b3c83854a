package s3

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// worthPage is how many chunks a page of a listing must answer for to be better than asking for each of them: it takes the server as
// long as several requests for one object, and Amazon asks the price of 12.5.
const worthPage = 10

// StatChunks implements stacksync.StorageProvisioner. It lists where the container is small, or many of its chunks are asked for, and
// asks for each chunk otherwise: for n names it makes at most n requests, and waits for at most 2+n/Parallel of them in turn. Another one
// goes before them where the container is not known to exist.
func (s *Storage) StatChunks(ctx context.Context, p stacksync.StatChunksParams) (stacksync.StatChunksResult, error) {
	err := check.StatChunks(ctx, p)
	var sizes map[string]int64
	if err == nil {
		sizes, err = s.sizes(ctx, p.Container, p.Names)
	}
	if err != nil {
		return stacksync.StatChunksResult{}, fmt.Errorf("stat chunks: %w", err)
	}
	var r stacksync.StatChunksResult
	for name, size := range sizes {
		r.Chunks = append(r.Chunks, stacksync.Chunk{Name: name, Size: size})
	}
	return r, nil
}

// stat is one look at many chunks.
type stat struct {
	s  *Storage
	at place

	mu    sync.Mutex
	sizes map[string]int64
}

// wanted is a chunk that is looked for.
type wanted struct{ key, name string }

// sizes returns the sizes of those chunks that are stored.
func (s *Storage) sizes(ctx context.Context, container string, names []string) (map[string]int64, error) {
	if present, err := s.present(ctx, container); !present || len(names) == 0 {
		return map[string]int64{}, err
	}
	at := s.layout.place(container)
	l := &stat{s: s, at: at, sizes: map[string]int64{}}
	all := make([]wanted, len(names))
	for i, name := range names {
		all[i] = wanted{at.key(name), name}
	}
	slices.SortFunc(all, func(a, b wanted) int { return strings.Compare(a.key, b.key) })
	all = slices.CompactFunc(all, func(a, b wanted) bool { return a.key == b.key })
	if err := l.look(ctx, all); err != nil {
		return nil, err
	}
	return l.sizes, nil
}

func (l *stat) look(ctx context.Context, all []wanted) error {
	worth := false
	if len(all) > 1 {
		rest, err := l.list(ctx, all)
		if l.s.missing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		worth = len(all)-len(rest) >= worthPage
		all = rest
	}
	if len(all) == 0 {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	workers := min(l.s.cfg.Parallel, len(all))
	for w := range workers { // each takes a range, in which pages are as good as in the others
		part := all[w*len(all)/workers : (w+1)*len(all)/workers]
		g.Go(func() error { return l.lookIn(ctx, part, worth) })
	}
	if err := g.Wait(); err != nil && !l.s.missing(err) { // deleted meanwhile
		return err
	}
	return nil
}

// lookIn lists while that is worth it, then asks for what is left.
func (l *stat) lookIn(ctx context.Context, part []wanted, worth bool) error {
	for worth && len(part) >= worthPage {
		rest, err := l.list(ctx, part)
		if err != nil {
			return err
		}
		worth = len(part)-len(rest) >= worthPage
		part = rest
	}
	for _, w := range part {
		err := l.s.try(ctx, "look for chunk", func(ctx context.Context) error {
			info, found, err := l.s.head(ctx, l.at.bucket, w.key)
			if found {
				l.add(w.name, info.Size)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// list lists a page that starts with the first of the sorted chunks, and returns those that it does not tell about.
func (l *stat) list(ctx context.Context, sorted []wanted) ([]wanted, error) {
	page, err := l.s.page(ctx, l.at, before(sorted[0].key), mostPage)
	if err != nil {
		return nil, err
	}
	objects := page.objects
	for i := range objects {
		for len(sorted) > 0 && sorted[0].key < objects[i].Key {
			sorted = sorted[1:]
		}
		if len(sorted) > 0 && sorted[0].key == objects[i].Key {
			l.add(sorted[0].name, objects[i].Size)
			sorted = sorted[1:]
		}
	}
	if page.next == "" { // that was all there is
		return nil, nil
	}
	return sorted, nil
}

// before returns a string that sorts before the key of a chunk, and between which and the key no other chunk's lies: "~" sorts after all
// characters of objects' names.
func before(key string) string {
	last := len(key) - 1
	return key[:last] + string(key[last]-1) + "~"
}

func (l *stat) add(name string, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sizes[name] = size
}
