package device

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// apply takes over one version that the server has. What was changed here since the last version that both had is kept: a place or
// a content that only changed here stays, to be proposed on top of the new version; where both sides changed, the server's
// place wins, and the content made here is set aside as a conflicted copy. Afterwards the record has the new version.
func (j *job) apply(ctx context.Context, it *stacksync.Item) error {
	r := j.state.records[it.ID]
	if r != nil && j.state.progress.Resync == stacksync.RemedyReupload {
		j.rebase(r, it)
	}
	if r != nil && r.Version >= it.Version && r.Pending == nil || r == nil && it.Deleted {
		return nil
	}
	j.report.ItemsApplied++
	j.tellProgress(Receiving, 0)
	switch {
	case it.Deleted:
		return j.applyDeleted(r, it.Version)
	case it.Kind == stacksync.Folder:
		return j.applyFolder(r, it)
	}
	return j.applyFile(ctx, r, it)
}

// rebase is for a server that was restored from a backup and may lack what is here.
func (j *job) rebase(r *record, it *stacksync.Item) {
	switch {
	case sameVersion(r, it):
		r.Proposal = proposalOf(it)
	case it.Version < r.Version && !it.Deleted:
		// It lost versions: what is here is to be proposed on top of what it has left.
		r.Proposal = proposalOf(it)
		r.Stamp.Recent = true
	default:
		// Others have gone on from what it had left: what is here is kept beside that.
		r.Version, r.Checksum, r.Chunks = it.Version-1, "", nil
		r.Stamp.Recent = true
	}
	j.state.put(r)
}

func (j *job) applyFolder(r *record, it *stacksync.Item) error {
	if n := j.tree.byID[it.ID]; n != nil {
		name, err := j.follow(n, r, it)
		if err != nil {
			return err
		}
		j.take(it, name, n.stamp)
		return nil
	}
	parent, name, err := j.target(it)
	if err != nil {
		return err
	}
	n, err := j.makeItem(it.ID, parent, name)
	if err != nil {
		return err
	}
	j.take(it, name, n.stamp)
	return nil
}

func (j *job) applyFile(ctx context.Context, r *record, it *stacksync.Item) error {
	n := j.tree.byID[it.ID]
	if n == nil {
		return j.applyNewFile(ctx, r, it)
	}
	name, err := j.follow(n, r, it)
	if err != nil {
		return err
	}
	clean, err := j.clean(n, r)
	if err != nil {
		return j.postpone(r, it, n.path(), err)
	}
	exec := executable(it.Attrs)
	if n.exec != executable(r.Attrs) {
		exec = n.exec // it was changed here
	}
	if !sameContent(r, it) && (n.content == nil || !n.content.is(it.Size, it.Checksum)) {
		staged, err := j.stage(ctx, it)
		if err != nil {
			return j.postpone(r, it, n.path(), err)
		}
		if !clean {
			return j.applyConflict(it, n, staged)
		}
		if err := j.replaceFile(staged, n); err != nil {
			return err
		}
	}
	if err := j.setMode(n, exec); err != nil {
		return err
	}
	s := n.stamp
	switch {
	case sameContent(r, it) && !clean:
		s = r.Stamp // so that what was changed here will be proposed
	case exec != executable(it.Attrs):
		s.Recent = true // the same
	}
	j.take(it, name, s)
	return nil
}

// applyConflict sets aside what was made of a file here, as a new item.
func (j *job) applyConflict(it *stacksync.Item, n *node, staged string) error {
	j.tree.release(n)
	if err := j.setAside(n); err != nil {
		return err
	}
	return j.installNew(it, staged)
}

// applyNewFile places a file that is not here. One that has its name and content is taken for it.
func (j *job) applyNewFile(ctx context.Context, r *record, it *stacksync.Item) error {
	parent, name, err := j.target(it)
	if err != nil {
		return err
	}
	if o := j.tree.child(parent, name); o != nil && o.kind == stacksync.File && o.stamp.Size == it.Size && j.vacant(o) {
		if err := j.hash(o); err != nil {
			return j.postpone(r, it, o.path(), err)
		}
		if o.content.is(it.Size, it.Checksum) {
			if err := j.setMode(o, executable(it.Attrs)); err != nil {
				return err
			}
			j.claim(o, it.ID)
			j.take(it, name, o.stamp)
			return nil
		}
	}
	staged, err := j.stage(ctx, it)
	if err != nil {
		return j.postpone(r, it, path.Join(parent.path(), name), err)
	}
	return j.installNew(it, staged)
}

func (j *job) installNew(it *stacksync.Item, staged string) error {
	parent, name, err := j.target(it)
	if err != nil {
		return err
	}
	if err := j.makeRoom(parent, name); err != nil {
		return err
	}
	n, err := j.placeFile(staged, parent, name)
	if err != nil {
		return err
	}
	j.tree.bind(n, it.ID)
	j.take(it, name, n.stamp)
	return nil
}

// take notes that a version was taken over.
func (j *job) take(it *stacksync.Item, name string, s stamp) {
	r := &record{Proposal: proposalOf(it), Stamp: s}
	if name != it.Name {
		r.Alias = name
		j.report.Aliases = append(j.report.Aliases, j.tree.byID[it.ID].path())
	}
	j.state.put(r)
	if j.sources != nil {
		j.addSources(r)
	}
}

// postpone leaves a file as it is while the content of its new version can't be had, or its own can't be read.
func (j *job) postpone(r *record, it *stacksync.Item, path string, reason error) error {
	if !errors.Is(reason, errContent) && !errors.Is(reason, errBusy) && !errors.Is(reason, fs.ErrPermission) {
		return reason
	}
	waiting := &record{Proposal: stacksync.Proposal{Item: it.ID, Kind: it.Kind}, Pending: it}
	if j.tree.byID[it.ID] != nil {
		waiting.Proposal, waiting.Stamp = proposalOf(it), r.Stamp
		waiting.Size, waiting.Checksum, waiting.Chunks = r.Size, r.Checksum, r.Chunks
		waiting.Alias = r.Alias
	}
	j.state.put(waiting)
	j.refused[path] = reason
	return nil
}

// applyDeleted removes what was deleted on the server, unless it was changed here: then it stays, as a new item.
func (j *job) applyDeleted(r *record, version int64) error {
	n := j.tree.byID[r.Item]
	if n == nil {
		j.state.drop(r.Item)
		return nil
	}
	keep := n.parent != j.tree.parked && !j.inPlace(n, r)
	if r.Kind == stacksync.Folder && !keep {
		// Removed by settle: what moved out of it may have its own change further on.
		r.Delete, r.Version = true, version
		j.state.put(r)
		return nil
	}
	if r.Kind == stacksync.File && !keep {
		clean, err := j.clean(n, r)
		switch {
		case errors.Is(err, errStale):
			return err
		case err == nil && clean:
			if err := j.remove(n); err != nil {
				return err
			}
			j.state.drop(r.Item)
			return nil
		}
	}
	return j.keep(n, r)
}

// keep makes a new item of what is gone from the server.
func (j *job) keep(n *node, r *record) error {
	j.cfg.Logger.Info("gone from the server, and kept as a new item", "path", n.path())
	if n.parent == j.tree.parked {
		parent := j.tree.byID[r.Parent]
		if parent == nil {
			parent = j.tree.root
		}
		if err := j.rename(n, parent, j.freeName(parent, r.diskName(), n.kind)); err != nil {
			return err
		}
	}
	j.tree.release(n)
	j.state.drop(r.Item)
	return nil
}

// removeFolder removes a folder that was deleted on the server, if nothing is left in it.
func (j *job) removeFolder(r *record) error {
	n := j.tree.byID[r.Item]
	if n == nil {
		j.state.drop(r.Item)
		return nil
	}
	if err := j.remove(n); err != nil {
		j.cfg.Logger.Info("can't remove folder", "path", n.path(), "error", err)
		return j.keep(n, r)
	}
	j.state.drop(r.Item)
	return nil
}

func sameContent(r *record, it *stacksync.Item) bool {
	return r.Size == it.Size && r.Checksum == it.Checksum && slices.Equal(r.Chunks, it.Chunks)
}

func sameVersion(r *record, it *stacksync.Item) bool {
	return r.Delete == it.Deleted && r.Parent == it.Parent && r.Name == it.Name && sameContent(r, it) && maps.Equal(r.Attrs, it.Attrs)
}
