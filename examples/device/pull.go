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
	p := j.state.progress
	seen := map[stacksync.ItemID]bool{} // of a resync
	for more := true; more; {
		page, err := j.service.Changes(ctx, stacksync.ChangesRequest{Actor: j.cfg.Actor, Workspace: j.cfg.Workspace, Cursor: p.Cursor})
		if err != nil {
			return fmt.Errorf("read changes: %w", err)
		}
		if err := j.applyPage(ctx, page.Items); err != nil {
			return err
		}
		p.Cursor, p.Revision, more = page.Cursor, page.Revision, page.More
		if p.Resync != "" {
			for i := range page.Items {
				seen[page.Items[i].ID] = true
			}
			if more {
				continue // the cursor alone would not tell what was seen
			}
			if err := j.reconcile(seen); err != nil {
				return err
			}
			p.Resync = ""
		}
		j.state.setProgress(p)
		if err := j.state.save(); err != nil {
			return err
		}
	}
	return j.settle(ctx)
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

// reconcile ends a resync: what the server did not show is not there.
func (j *job) reconcile(seen map[stacksync.ItemID]bool) error {
	missing := j.sorted(func(r *record) bool { return !seen[r.Item] && !r.Delete })
	for _, r := range slices.Backward(missing) {
		if j.state.progress.Resync == stacksync.RemedyReupload {
			// The server lost it: as far as it knows, what is here is new.
			if n := j.tree.byID[r.Item]; n != nil {
				j.tree.release(n)
			}
			j.state.drop(r.Item)
			continue
		}
		if err := j.applyDeleted(r, r.Version); err != nil {
			return err
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
