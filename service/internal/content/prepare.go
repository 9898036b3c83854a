package content

import (
	"context"
	"fmt"
	"slices"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// PrepareUpload implements Transfers.PrepareUpload.
func (d *Desk) PrepareUpload(ctx context.Context, r stacksync.PrepareUploadRequest) (stacksync.PrepareUploadResult, error) {
	none := stacksync.PrepareUploadResult{}
	via, err := d.Choose(r.Via)
	if err != nil {
		return none, err
	}
	limits := &d.Limits
	if err := stacksync.CheckActor(r.Actor, session.ToWrite); err != nil {
		return none, err
	}
	if len(r.Chunks) > limits.Chunks {
		return none, &stacksync.FieldError{Field: "Chunks", Reason: fmt.Sprintf("are more than %d", limits.Chunks), Err: stacksync.ErrLimit}
	}
	wanted := make(map[string]int64, len(r.Chunks))
	names := make([]string, 0, len(r.Chunks))
	for i := range r.Chunks {
		c := &r.Chunks[i]
		if err := c.Check(fmt.Sprintf("Chunks[%d]", i), limits); err != nil {
			return none, err
		}
		if size, twice := wanted[c.Name]; twice && size != c.Size {
			return none, &stacksync.FieldError{Field: fmt.Sprintf("Chunks[%d].Size", i), Reason: fmt.Sprintf("differs from that of the same chunk before, %d", size), Err: stacksync.ErrSize}
		}
		if via == stacksync.ViaSigned && d.sha256 && !isSHA256(c.Name) {
			return none, &stacksync.FieldError{Field: fmt.Sprintf("Chunks[%d].Name", i), Reason: "is not a SHA-256 in lower-case hexadecimal"}
		}
		wanted[c.Name] = c.Size
		names = append(names, c.Name)
	}
	l := newLookup(r.Actor, r.Workspace, session.ToWrite, names)
	if err := d.lookUp(ctx, l); err != nil {
		return none, err
	}
	var stored map[string]int64
	if !r.New {
		if stored, err = d.stat(ctx, l, true); err != nil {
			return none, err
		}
	}
	res := stacksync.PrepareUploadResult{Via: via}
	var bytes int64
	for _, name := range l.names {
		size, ok := l.known[name]
		if !ok {
			size, ok = stored[name]
		}
		switch want := wanted[name]; {
		case !ok:
			res.Missing = append(res.Missing, stacksync.Transfer{Chunk: stacksync.Chunk{Name: name, Size: want}})
			bytes += want
		case size != want:
			return none, fmt.Errorf("%w: chunk %q is stored with %d bytes, not %d", stacksync.ErrSize, name, size, want)
		}
		if err := l.access.CheckUpload(bytes); err != nil {
			return none, err
		}
	}
	if len(res.Missing) == 0 {
		return res, nil
	}
	if via != stacksync.ViaHost { // UploadChunk makes the container where it is missing
		if err := d.Provisioned(ctx, l.access.Workspace); err != nil {
			return none, err
		}
	}
	switch via {
	case stacksync.ViaSigned:
		res.Expires, err = d.sign(ctx, stacksync.Put, l.access.Workspace, res.Missing)
	case stacksync.ViaAccount:
		res.Location, err = d.locate(ctx, l.access.Workspace, res.Missing)
	}
	return res, err
}

// PrepareDownload implements Transfers.PrepareDownload.
func (d *Desk) PrepareDownload(ctx context.Context, r stacksync.PrepareDownloadRequest) (stacksync.PrepareDownloadResult, error) {
	none := stacksync.PrepareDownloadResult{}
	via, err := d.Choose(r.Via)
	if err != nil {
		return none, err
	}
	if err := stacksync.CheckActor(r.Actor, session.ToDownload); err != nil {
		return none, err
	}
	if limit := d.Limits.Chunks; len(r.Names) > limit {
		return none, &stacksync.FieldError{Field: "Names", Reason: fmt.Sprintf("are more than %d", limit), Err: stacksync.ErrLimit}
	}
	for i, name := range r.Names {
		if err := stacksync.CheckChunkName("", name); err != nil {
			return none, stacksync.CheckChunkName(fmt.Sprintf("Names[%d]", i), name)
		}
	}
	l := newLookup(r.Actor, r.Workspace, session.ToDownload, slices.Clone(r.Names))
	if err := d.lookUp(ctx, l); err != nil {
		return none, err
	}
	stored, err := d.stat(ctx, l, false)
	if err != nil {
		return none, err
	}
	res := stacksync.PrepareDownloadResult{Via: via}
	var missing []string
	for _, name := range l.names {
		size, ok := l.known[name]
		if !ok {
			size, ok = stored[name]
		}
		if !ok {
			missing = append(missing, name)
			continue
		}
		res.Chunks = append(res.Chunks, stacksync.Transfer{Chunk: stacksync.Chunk{Name: name, Size: size}})
	}
	if len(missing) > 0 {
		return none, &stacksync.ChunksMissingError{Names: missing}
	}
	switch via {
	case stacksync.ViaSigned:
		res.Expires, err = d.sign(ctx, stacksync.Get, l.access.Workspace, res.Chunks)
	case stacksync.ViaAccount:
		res.Location, err = d.locate(ctx, l.access.Workspace, res.Chunks)
	}
	return res, err
}
