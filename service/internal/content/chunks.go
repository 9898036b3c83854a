package content

import (
	"context"
	"fmt"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/gather"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// lookup asks which chunks of a workspace are known to be stored, and what the actor may do there.
type lookup struct {
	gather.Job[stacksync.WorkspaceID]
	actor stacksync.Actor
	needs stacksync.Needs
	names []string

	access stacksync.Access
	known  map[string]int64 // sizes by name
}

func newLookup(actor stacksync.Actor, w stacksync.WorkspaceID, n stacksync.Needs, names []string) *lookup {
	names = unique(names)
	return &lookup{Job: gather.Job[stacksync.WorkspaceID]{Key: w, Weight: len(names)}, actor: actor, needs: n, names: names}
}

// runLookups is lookUpBatch in the form that the gatherer runs.
func (d *Desk) runLookups(ctx context.Context, batch []*lookup, _ gather.Stage) (again bool) {
	d.lookUpBatch(ctx, d.Store, batch)
	return false
}

// lookUpBatch answers gathered lookups with one read. It sets access, known and Err of each.
func (d *Desk) lookUpBatch(ctx context.Context, from stacksync.Loader, batch []*lookup) {
	var p stacksync.LoadParams
	access := make(map[stacksync.AccessKey]bool)
	for _, l := range batch {
		if key := stacksync.NewAccessKey(l.actor, l.Key); !access[key] {
			access[key] = true
			p.Access = append(p.Access, key)
		}
		for _, name := range l.names {
			p.Chunks = append(p.Chunks, stacksync.ChunkKey{Workspace: l.Key, Name: name})
		}
	}
	rows, err := from.Load(ctx, p)
	switch {
	case err != nil && len(batch) == 1:
		batch[0].Err = err
		return
	case err != nil: // each lookup alone, so that none fails its neighbours
		for i := range batch {
			d.lookUpBatch(gather.Context(batch[i:i+1]), from, batch[i:i+1])
		}
		return
	}
	known := make(map[stacksync.ChunkKey]int64, len(rows.Chunks))
	for i := range rows.Chunks {
		c := &rows.Chunks[i]
		known[stacksync.ChunkKey{Workspace: c.Workspace, Name: c.Name}] = c.Size
	}
	for _, l := range batch {
		if l.access, l.Err = rows.Permit(l.actor, l.Key, l.needs); l.Err != nil {
			continue
		}
		l.known = make(map[string]int64, len(l.names))
		for _, name := range l.names {
			if size, ok := known[stacksync.ChunkKey{Workspace: l.Key, Name: name}]; ok {
				l.known[name] = size
			}
		}
	}
}

// lookUp answers one lookup with a read of its own, without the gatherer: a lone read waits for no
// commit.
func (d *Desk) lookUp(ctx context.Context, l *lookup) error { return d.lookUpIn(ctx, d.Store, l) }

// lookUpIn is lookUp that reads from the given Loader.
func (d *Desk) lookUpIn(ctx context.Context, from stacksync.Loader, l *lookup) error {
	d.lookUpBatch(ctx, from, []*lookup{l})
	return l.Err
}

// stat asks the storage for those chunks of an answered lookup that the chunk table does not know,
// and returns the sizes of the stored ones by name. For mayLag see StatChunksParams.
func (d *Desk) stat(ctx context.Context, l *lookup, mayLag bool) (stored map[string]int64, err error) {
	var unknown []string
	for _, name := range l.names {
		if _, ok := l.known[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil, nil
	}
	res, err := d.Storage.StatChunks(ctx, stacksync.StatChunksParams{Container: l.access.Workspace.Container, Names: unknown, MayLag: mayLag})
	if err != nil {
		return nil, fmt.Errorf("stat chunks: %w", err)
	}
	stored = make(map[string]int64, len(res.Chunks))
	for _, c := range res.Chunks {
		stored[c.Name] = c.Size
	}
	return stored, nil
}

// FindChunks fills in Known and Stored of a commit's draft. It asks the chunk table, together with
// other commits that come at the same time, and the storage about the other chunks. The commit does
// not read them again under its lock. So a collector of garbage must spare chunks that were stored
// or named a short while ago.
func (d *Desk) FindChunks(ctx context.Context, c *stacksync.Draft) error {
	return d.findChunks(ctx, c, func(ctx context.Context, l *lookup) error { return d.lookups.Do(ctx, l, d.runLookups) })
}

// FindChunksIn is FindChunks that reads the chunk table from the given Loader, at once.
func (d *Desk) FindChunksIn(ctx context.Context, from stacksync.Loader, c *stacksync.Draft) error {
	return d.findChunks(ctx, c, func(ctx context.Context, l *lookup) error { return d.lookUpIn(ctx, from, l) })
}

func (d *Desk) findChunks(ctx context.Context, c *stacksync.Draft, ask func(context.Context, *lookup) error) error {
	if d.Storage == nil {
		return nil
	}
	var names []string
	for _, p := range c.Valid() {
		for k := range p.Chunks {
			names = append(names, p.Chunks[k].Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	l := newLookup(c.Actor, c.Workspace, session.ToWrite, names)
	err := ask(ctx, l)
	if err == nil {
		c.Known = l.known
		c.Stored, err = d.stat(ctx, l, false)
	}
	return err
}

// unique returns the names without repetition, in order. It reuses the memory of names.
func unique(names []string) []string {
	seen := make(map[string]bool, len(names))
	kept := names[:0]
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			kept = append(kept, n)
		}
	}
	return kept
}
