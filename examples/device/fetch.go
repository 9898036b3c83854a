package device

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// errContent says that the server does not have what its metadata promise. The item has to wait; others need not.
var errContent = errors.New("content can't be had")

// stagedPath is where the content of a version waits for its place.
func stagedPath(it *stacksync.Item) string {
	return fmt.Sprintf("%s/%v-%d", stagingDir, it.ID, it.Version)
}

// stage returns the path of a file with the content of it.
func (j *job) stage(ctx context.Context, it *stacksync.Item) (string, error) {
	path := stagedPath(it)
	if j.staged[path] {
		delete(j.staged, path)
		return path, nil
	}
	j.expect(it)
	return path, j.fetch(ctx, it)
}

// fetchAhead stages the content of many items at a time. Those that it leaves out, or can't get, are fetched when their turn
// comes.
func (j *job) fetchAhead(ctx context.Context, items []stacksync.Item) error {
	w := &wants{job: j, folders: map[stacksync.ItemID]*stacksync.Item{}, found: map[stacksync.ItemID]*node{}}
	for i := range items {
		if it := &items[i]; it.Kind == stacksync.Folder {
			w.folders[it.ID] = it
		}
	}
	var wanted []*stacksync.Item
	j.downloads = j.newQueue(j.prepareDownload)
	listed := map[string]bool{} // paths
	for i := range items {
		it := &items[i]
		path := stagedPath(it)
		if j.staged[path] || listed[path] || !w.content(it) {
			continue
		}
		listed[path] = true
		wanted = append(wanted, it)
		j.expect(it)
	}
	return forEach(ctx, j.cfg.Workers, wanted, func(ctx context.Context, it *stacksync.Item) error {
		err := j.fetch(ctx, it)
		if err == nil {
			j.count(func(*Report) { j.staged[stagedPath(it)] = true })
		} else if errors.Is(err, errContent) {
			return nil
		}
		return err
	})
}

// wants finds out which items of a page need content that is not at hand.
type wants struct {
	*job
	folders map[stacksync.ItemID]*stacksync.Item // of the page
	found   map[stacksync.ItemID]*node           // what has their place on disk, if anything
}

func (w *wants) content(it *stacksync.Item) bool {
	if it.Kind != stacksync.File || it.Deleted {
		return false
	}
	r, n := w.state.records[it.ID], w.tree.byID[it.ID]
	if r != nil && r.Version >= it.Version {
		return false
	}
	if n != nil && r != nil {
		return !sameContent(r, it) && r.Stamp.proves(n.stamp)
	}
	// A new file that has the name here may have the content too.
	folder := w.folder(it.Parent)
	if folder == nil {
		return true
	}
	o := w.tree.child(folder, it.Name)
	return o == nil || !o.id.IsZero() || o.stamp.Size != it.Size
}

func (w *wants) folder(id stacksync.ItemID) *node {
	if n := w.tree.byID[id]; n != nil {
		return n
	}
	if n, ok := w.found[id]; ok {
		return n
	}
	w.found[id] = nil
	if it := w.folders[id]; it != nil {
		if parent := w.folder(it.Parent); parent != nil {
			w.found[id] = w.tree.child(parent, it.Name)
		}
	}
	return w.found[id]
}

// source is where a chunk lies in a file of this device.
type source struct {
	item stacksync.ItemID
	at   int64
}

// source looks for a chunk in what is here already. What it finds may be outdated.
func (j *job) source(chunk string) (source, bool) {
	if j.sources == nil {
		j.sources = map[string]source{}
		for _, r := range j.state.records {
			j.addSources(r)
		}
	}
	s, ok := j.sources[chunk]
	return s, ok
}

func (j *job) addSources(r *record) {
	var at int64
	for _, c := range r.Chunks {
		j.sources[c.Name] = source{r.Item, at}
		at += c.Size
	}
}

// expect says that an item is going to be fetched.
func (j *job) expect(it *stacksync.Item) {
	for _, c := range it.Chunks {
		if _, ok := j.source(c.Name); !ok {
			j.downloads.expect(c)
		}
	}
}

func (j *job) prepareDownload(ctx context.Context, chunks []stacksync.Chunk) (answer, error) {
	names := make([]string, len(chunks))
	for i, c := range chunks {
		names[i] = c.Name
	}
	res, err := j.service.PrepareDownload(ctx, stacksync.PrepareDownloadRequest{
		Actor: j.cfg.Actor, Workspace: j.cfg.Workspace, Names: names, Via: j.cfg.Via,
	})
	if err != nil {
		return answer{}, fmt.Errorf("prepare download: %w", err)
	}
	// What an upload's answer leaves out is stored. Here it would be lost.
	prepared := make(map[string]bool, len(res.Chunks))
	for i := range res.Chunks {
		prepared[res.Chunks[i].Name] = true
	}
	if names = slices.DeleteFunc(names, func(name string) bool { return prepared[name] }); len(names) > 0 {
		return answer{}, &stacksync.ChunksMissingError{Names: names}
	}
	return answer{res.Via, res.Chunks, res.Expires}, nil
}

// fetch stages the content of an item: from files that are here, and else from the server. It is durable before it gets its
// place, since an empty file left by a crash would look like a change of the user's.
func (j *job) fetch(ctx context.Context, it *stacksync.Item) error {
	path := stagedPath(it)
	perm := os.FileMode(0o666)
	if executable(it.Attrs) {
		perm = 0o777
	}
	file, err := j.root.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	err = j.fill(ctx, file, it)
	if err == nil {
		err = j.flush(file)
	}
	err = errors.Join(err, file.Close())
	if err == nil && !it.ModifiedAt.IsZero() {
		err = j.root.Chtimes(path, it.ModifiedAt, it.ModifiedAt)
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("fetch %q: %w", it.Name, err), j.root.Remove(path))
	}
	return err
}

func (j *job) fill(ctx context.Context, file *os.File, it *stacksync.Item) error {
	var at int64
	for _, c := range it.Chunks {
		if !j.reuse(io.NewOffsetWriter(file, at), c) {
			if err := j.download(ctx, file, at, c); err != nil {
				return err
			}
		}
		at += c.Size
	}
	if len(it.Chunks) == 1 && it.Chunks[0].Name == it.Checksum {
		return nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, at)); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != it.Checksum {
		return fmt.Errorf("%w: checksum is %s, not %s", errContent, got, it.Checksum)
	}
	return nil
}

// reuse takes a chunk from a file that is here, if that still has it.
func (j *job) reuse(to io.Writer, c stacksync.Chunk) bool {
	s, ok := j.source(c.Name)
	if !ok {
		return false
	}
	n := j.tree.byID[s.item]
	if n == nil || n.kind != stacksync.File {
		return false
	}
	file, err := j.root.Open(n.path())
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // it was only read
	if copyChunk(to, io.NewSectionReader(file, s.at, c.Size), c) != nil {
		return false
	}
	j.count(func(r *Report) { r.ChunksReused++; r.BytesReused += c.Size })
	return true
}

// download fetches a chunk. What came before it failed is written over by the next try.
func (j *job) download(ctx context.Context, file *os.File, at int64, c stacksync.Chunk) error {
	return j.transfer(ctx, j.downloads, c, func(ctx context.Context, w *way) error {
		if err := j.receive(ctx, w, c, io.NewOffsetWriter(file, at)); err != nil {
			return fmt.Errorf("download chunk %q: %w", c.Name, err)
		}
		j.count(func(r *Report) { r.Via = w.via; r.ChunksDownloaded++; r.BytesDownloaded += c.Size })
		j.tellProgress(Receiving, 0)
		return nil
	})
}

func (j *job) receive(ctx context.Context, w *way, c stacksync.Chunk, to io.Writer) error {
	if w.via == stacksync.ViaSigned {
		return j.get(ctx, w.request, c, to)
	}
	res, err := j.service.DownloadChunk(ctx, stacksync.DownloadChunkRequest{Actor: j.cfg.Actor, Workspace: j.cfg.Workspace, Name: c.Name})
	if errors.Is(err, stacksync.ErrChunkNotFound) {
		return fmt.Errorf("%w: %w", errContent, err)
	}
	if err != nil {
		return err
	}
	return errors.Join(copyChunk(to, res.Content, c), res.Content.Close())
}

// copyChunk copies a chunk and checks that it is what its name says.
func copyChunk(to io.Writer, from io.Reader, c stacksync.Chunk) error {
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, hash), io.LimitReader(from, c.Size))
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(hash.Sum(nil)); n != c.Size || got != c.Name {
		return fmt.Errorf("%w: chunk %q is %q, with %d of %d bytes", errContent, c.Name, got, n, c.Size)
	}
	return nil
}
