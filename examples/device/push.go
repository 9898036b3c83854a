package device

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/stacksync/stacksync-go"
)

// batchBytes bounds the content of the files that are committed together.
const batchBytes = 256 << 20

// push sends what is different here. It reports whether there was nothing to send.
func (j *job) push(ctx context.Context) (settled bool, err error) {
	if err := j.findMoved(ctx); err != nil {
		return false, err
	}
	p := &planner{tree: j.tree, records: j.state.records, refused: j.refused, newID: newItemID}
	steps := p.plan()
	settled, j.again = true, false
	for rest := steps; len(rest) > 0 && !j.again; {
		var batch []*step
		batch, rest = nextBatch(rest)
		ready, err := j.ready(ctx, batch)
		if err != nil {
			return false, err
		}
		if len(ready) == 0 {
			continue
		}
		settled = false
		if err := j.commit(ctx, ready); err != nil {
			return false, err
		}
		j.tellProgress(Sending, len(steps))
	}
	return settled && !j.again, j.state.save()
}

func nextBatch(steps []*step) (batch, rest []*step) {
	n, bytes := 0, int64(0)
	for n < len(steps) && n < maxBatch && (n == 0 || bytes < batchBytes) {
		if s := steps[n]; s.node != nil {
			bytes += s.node.stamp.Size
		}
		n++
	}
	return steps[:n], steps[n:]
}

// findMoved finds files that were moved although their inodes don't tell: a file that is missing, and a new one with its content.
func (j *job) findMoved(ctx context.Context) error {
	missing := map[int64][]*record{} // by size
	for id, r := range j.state.records {
		if r.Version > 0 && r.Kind == stacksync.File && r.Size > 0 && j.tree.byID[id] == nil {
			missing[r.Size] = append(missing[r.Size], r)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var found []*node
	for n := range j.tree.root.all() {
		if n.kind == stacksync.File && n.id.IsZero() && len(missing[n.stamp.Size]) > 0 {
			found = append(found, n)
		}
	}
	err := forEach(ctx, j.cfg.Workers, found, func(_ context.Context, n *node) error {
		if err := j.hash(n); err != nil {
			j.cfg.Logger.Debug("can't be compared yet", "path", n.path(), "error", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, n := range found {
		for _, r := range missing[n.stamp.Size] {
			if n.content != nil && n.content.is(r.Size, r.Checksum) && j.tree.byID[r.Item] == nil {
				j.tree.bind(n, r.Item)
				break
			}
		}
	}
	return nil
}

// ready reads the files of a batch and uploads what the server lacks of them. It leaves out what turns out to be unchanged, and what
// can't be read now.
func (j *job) ready(ctx context.Context, batch []*step) ([]*step, error) {
	err := forEach(ctx, j.cfg.Workers, batch, func(_ context.Context, s *step) error {
		if s.node != nil && s.node.kind == stacksync.File {
			if err := j.hash(s.node); err != nil {
				s.err = err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var ready []*step
	for _, s := range batch {
		if s.err == nil && j.complete(s) {
			ready = append(ready, s)
		}
	}
	if err := j.upload(ctx, ready); err != nil {
		return nil, err
	}
	for _, s := range batch {
		if s.err != nil {
			j.failed(s.path, s.err)
		}
	}
	return slices.DeleteFunc(ready, func(s *step) bool { return s.err != nil }), nil
}

// complete fills in what was read, and reports whether there is anything to propose.
func (j *job) complete(s *step) bool {
	n, r, p := s.node, s.record, &s.proposal
	if n == nil {
		return true
	}
	s.stamp = n.stamp
	if n.kind == stacksync.Folder {
		return true
	}
	p.Attrs = withMode(p.Attrs, n.exec)
	if r != nil && n.content.is(r.Size, r.Checksum) {
		if !s.moved && maps.Equal(p.Attrs, r.Attrs) {
			r.Stamp = n.stamp
			j.state.put(r)
			return false
		}
		return true
	}
	p.Size, p.Checksum, p.Chunks = n.content.Size, n.content.Checksum, n.content.Chunks
	p.ModifiedAt = time.Unix(0, n.stamp.Mtime).UTC().Truncate(time.Microsecond)
	s.send = true
	return true
}

// withMode returns attrs with what the disk says about the executable bit.
func withMode(attrs map[string]string, exec bool) map[string]string {
	if !hasMode || executable(attrs) == exec {
		return attrs
	}
	changed := maps.Clone(attrs)
	if changed == nil {
		changed = map[string]string{}
	}
	delete(changed, modeAttr)
	if exec {
		changed[modeAttr] = "755"
	}
	return changed
}

// failed decides what to do with an entry that could not be sent: what may be better after the next look is tried a few times.
func (j *job) failed(path string, err error) {
	const attempts = 5
	if j.tries[path]++; passing(err) && j.tries[path] < attempts {
		j.again = true
		return
	}
	j.refused[path] = err
}

// passing reports whether the next look at the disk and at the server may help.
func passing(err error) bool {
	for _, target := range []error{
		errStale, errBusy,
		stacksync.ErrConflict, stacksync.ErrChunksMissing, stacksync.ErrUnknownItem, stacksync.ErrAlreadyDeleted, stacksync.ErrCycle,
		stacksync.ErrParentNotFound, stacksync.ErrParentDeleted, stacksync.ErrParentNotFolder,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
