package stacksync

import (
	"context"
	"fmt"
)

// lookup asks which chunks of a workspace are known to be stored.
type lookup struct {
	job
	actor Actor
	needs needs
	names []string

	access access
	known  map[string]int64 // sizes by name
}

func newLookup(actor Actor, w WorkspaceID, n needs, names []string) *lookup {
	names = unique(names)
	return &lookup{job: job{workspace: w, weight: len(names)}, actor: actor, needs: n, names: names}
}

// lookUpBatch answers gathered lookups with one read.
func (s *Service) lookUpBatch(ctx context.Context, from Loader, batch []*lookup) {
	var p LoadParams
	access := make(map[AccessKey]bool)
	for _, l := range batch {
		if key := l.actor.key(l.workspace); !access[key] {
			access[key] = true
			p.Access = append(p.Access, key)
		}
		for _, name := range l.names {
			p.Chunks = append(p.Chunks, ChunkKey{l.workspace, name})
		}
	}
	rows, err := from.Load(ctx, p)
	switch {
	case err != nil && len(batch) == 1:
		batch[0].err = err
		return
	case err != nil: // none can fail its neighbours
		for i := range batch {
			s.lookUpBatch(batchContext(batch[i:i+1]), from, batch[i:i+1])
		}
		return
	}
	known := make(map[ChunkKey]int64, len(rows.Chunks))
	for i := range rows.Chunks {
		c := &rows.Chunks[i]
		known[ChunkKey{c.Workspace, c.Name}] = c.Size
	}
	for _, l := range batch {
		if l.access, l.err = rows.permit(l.actor, l.workspace, l.needs); l.err != nil {
			continue
		}
		l.known = make(map[string]int64, len(l.names))
		for _, name := range l.names {
			if size, ok := known[ChunkKey{l.workspace, name}]; ok {
				l.known[name] = size
			}
		}
	}
}

// lookUp answers one lookup by itself: a read never waits for commits.
func (s *Service) lookUp(ctx context.Context, l *lookup) error { return s.lookUpIn(ctx, s.store, l) }

func (s *Service) lookUpIn(ctx context.Context, from Loader, l *lookup) error {
	s.lookUpBatch(ctx, from, []*lookup{l})
	return l.err
}

// stat asks the storage for those chunks of an answered lookup that the chunk table does not know. See StatChunksParams for mayLag.
func (s *Service) stat(ctx context.Context, l *lookup, mayLag bool) (stored map[string]int64, err error) {
	var unknown []string
	for _, name := range l.names {
		if _, ok := l.known[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil, nil
	}
	res, err := s.storage.StatChunks(ctx, StatChunksParams{Container: l.access.workspace.Container, Names: unknown, MayLag: mayLag})
	if err != nil {
		return nil, fmt.Errorf("stat chunks: %w", err)
	}
	stored = make(map[string]int64, len(res.Chunks))
	for _, c := range res.Chunks {
		stored[c.Name] = c.Size
	}
	return stored, nil
}

// findChunks fills in which of a commit's chunks are stored: what the chunk table knows is found by ask, and the storage asked for the
// rest. It is not read again under the lock: whoever removes chunks that nothing names must spare those that were stored or named a
// short while ago.
func (s *Service) findChunks(ctx context.Context, j *commitJob, ask func(context.Context, *lookup) error) error {
	if j.unchecked {
		return nil
	}
	var names []string
	for i := range j.proposals {
		if j.invalid[i] != nil {
			continue
		}
		for k := range j.proposals[i].Chunks {
			names = append(names, j.proposals[i].Chunks[k].Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	l := newLookup(j.actor, j.workspace, toWrite, names)
	err := ask(ctx, l)
	if err == nil {
		j.known = l.known
		j.stored, err = s.stat(ctx, l, false)
	}
	return err
}
