package device

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// pull takes over what changed on the server, page by page. After each page the cursor is saved, so that an interrupted catch-up
// goes on where it was.
func (j *job) pull(ctx context.Context) error {
	const attempts = 3 // of a cursor that can't be continued: the second begins from the empty one
	var err error
	for range attempts {
		err = j.catchUp(ctx)
		var ce *stacksync.CursorError
		if !errors.As(err, &ce) {
			return err
		}
		p := progress{Resync: ce.Remedy}
		switch {
		case ce.Remedy == stacksync.RemedyForget:
			return errors.Join(err, j.forget())
		case j.state.progress.Resync == stacksync.RemedyReupload:
			p.Resync = stacksync.RemedyReupload // it was not through, so it is still owed
		}
		j.cfg.Logger.Warn("begins from an empty cursor", "error", ce)
		j.state.setProgress(p)
	}
	return err
}

func (j *job) catchUp(ctx context.Context) error {
	if j.state.progress.Resync != "" {
		if err := j.resync(ctx); err != nil {
			return err
		}
	}
	for more := true; more; {
		page, err := j.changes(ctx, j.state.progress.Cursor)
		if err != nil {
			return err
		}
		if err := j.applyPage(ctx, page.Items); err != nil {
			return err
		}
		j.state.setProgress(progress{Cursor: page.Cursor, Revision: page.Revision})
		if err := j.state.save(); err != nil {
			return err
		}
		more = page.More
	}
	return j.settle(ctx)
}

func (j *job) changes(ctx context.Context, cursor stacksync.Cursor) (stacksync.ChangesPage, error) {
	page, err := j.service.Changes(ctx, stacksync.ChangesRequest{Actor: j.cfg.Actor, Workspace: j.cfg.Workspace, Cursor: cursor})
	if err != nil {
		return page, fmt.Errorf("read changes: %w", err)
	}
	return page, nil
}

// resync reads the whole tree. What the server does not show is not there: that is settled first, so that it is in nobody's way.
func (j *job) resync(ctx context.Context) error {
	var items []stacksync.Item
	var reached progress
	for more := true; more; {
		page, err := j.changes(ctx, reached.Cursor)
		if err != nil {
			return err
		}
		items = append(items, page.Items...)
		reached = progress{Cursor: page.Cursor, Revision: page.Revision}
		more = page.More
	}
	shown := make(map[stacksync.ItemID]bool, len(items))
	for i := range items {
		shown[items[i].ID] = true
	}
	for _, r := range slices.Backward(j.sorted(func(r *record) bool { return !shown[r.Item] && !r.Delete })) {
		if err := j.missing(r); err != nil {
			return err
		}
	}
	for page := range slices.Chunk(items, maxBatch) {
		if err := j.applyPage(ctx, page); err != nil {
			return err
		}
	}
	j.state.setProgress(reached)
	return j.state.save()
}

// missing is told what the server does not show in a resync.
func (j *job) missing(r *record) error {
	if j.state.progress.Resync == stacksync.RemedyResync {
		return j.applyDeleted(r, r.Version)
	}
	// The server has lost it: as far as it knows, what is here is new.
	if n := j.tree.byID[r.Item]; n != nil {
		return j.keep(n, r)
	}
	j.state.drop(r.Item)
	return nil
}

func (j *job) applyPage(ctx context.Context, items []stacksync.Item) error {
	if err := j.fetchAhead(ctx, items); err != nil {
		return err
	}
	for i := range items {
		if err := ctx.Err(); err != nil {
			return err
		}
		j.report.ItemsRead++
		if err := j.apply(ctx, &items[i]); err != nil {
			return fmt.Errorf("apply item %v: %w", items[i].ID, err)
		}
	}
	return nil
}

// settle ends a catch-up: what had to wait for all pages is done now.
func (j *job) settle(ctx context.Context) error {
	for _, r := range j.sorted(func(r *record) bool { return r.Pending != nil }) {
		if err := j.apply(ctx, r.Pending); err != nil {
			return err
		}
	}
	if err := j.unparkAll(); err != nil {
		return err
	}
	for _, r := range slices.Backward(j.sorted(func(r *record) bool { return r.Delete })) {
		if err := j.removeFolder(r); err != nil {
			return err
		}
	}
	return j.state.save()
}

// sorted returns the records that a test picks, those of folders before what lies in them.
func (j *job) sorted(pick func(r *record) bool) []*record {
	var picked []*record
	depths := map[*record]int{}
	for _, r := range j.state.records {
		if pick(r) {
			picked = append(picked, r)
			depths[r] = j.depth(r)
		}
	}
	slices.SortFunc(picked, func(a, b *record) int {
		return cmp.Or(cmp.Compare(depths[a], depths[b]), bytes.Compare(a.Item.UUID[:], b.Item.UUID[:]))
	})
	return picked
}

// depth returns how many folders lie above an item, as far as is known.
func (j *job) depth(r *record) int {
	n := 0
	for r != nil && n <= len(j.state.records) {
		r = j.state.records[r.Parent]
		n++
	}
	return n
}

// forget drops what is known of a workspace that is not the user's any more. The files stay.
func (j *job) forget() error {
	for id := range j.state.records {
		j.state.drop(id)
	}
	j.state.setProgress(progress{})
	j.state.setFlight(nil)
	return j.state.save()
}
