package stacksync

import (
	"context"
	"errors"
	"iter"
)

// Feed is the change log of a workspace as its devices read it.
type Feed interface {
	// Changes returns a page of what changed after the cursor: each item once, in its latest version, by revision.
	// Followed to the end (until More is false) it gives exactly the current tree, also while others commit in between.
	// From the empty cursor, tombstones are left out.
	//
	// In every prefix of the pages a folder comes before what lies in it; to keep that promise a page may bring a folder
	// along before its own turn, so that an (item, version) may be seen twice, and a page may have more items than Limit: at most
	// Limits.Depth more for each. It may also have fewer, as Limits.PageChunks bounds it too.
	// The tombstones of a deleted folder come deepest first.
	//
	// A client applies a page in order and only then saves its cursor. It holds items by id, since in the middle of a catch-up
	// names may clash for a moment (two items that swapped names), and a folder may seem to lie below itself (the folders
	// above it moved too, and one of them changes once more further on). It removes a deleted folder from disk only when it
	// is empty at the end of the catch-up (an item that moved out may have its latest change further on).
	//
	// A cursor that can't be continued, and a workspace that is not the actor's (any more), give a *CursorError.
	Changes(ctx context.Context, r ChangesRequest) (ChangesPage, error)
	// Follow yields pages from the cursor on: first the catch-up, ending with a page (perhaps an empty one) whose More is
	// false, then each change as it comes, with no gap between the two. It ends after yielding an error: ctx's when that
	// ends, what Changes returns, or ErrClosed.
	Follow(ctx context.Context, r FollowRequest) iter.Seq2[ChangesPage, error]
}

// Cursor is what a device has seen of a workspace. It is opaque to clients; the empty one has seen nothing.
type Cursor string

// ChangesRequest is that of Feed.Changes.
type ChangesRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	Cursor    Cursor
	Limit     int // items a page; 0 means 1,000; at most Limits.Page
}

// ChangesPage is a page of a change log.
type ChangesPage struct {
	Items []Item
	// Cursor covers what this page covers, and is never older than the one before: save it after applying the page, also when Items is empty.
	Cursor Cursor
	// More says that the next page can be asked for at once.
	More bool
	// Revision is the last one that the cursor covers, for showing progress and lag.
	Revision int64
}

// FollowRequest is that of Feed.Follow.
type FollowRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	Cursor    Cursor
	Limit     int // as in ChangesRequest
}

// Changes implements Feed.
func (s *Service) Changes(ctx context.Context, r ChangesRequest) (ChangesPage, error) {
	return call(ctx, s, "Changes", func(ctx context.Context) (ChangesPage, int, error) {
		page, err := s.changes(ctx, r)
		if errors.Is(err, ErrWorkspaceNotFound) {
			err = &CursorError{Workspace: r.Workspace, Remedy: RemedyForget, Err: ErrWorkspaceNotFound}
		}
		return page, len(page.Items), err
	})
}

func (s *Service) changes(ctx context.Context, r ChangesRequest) (ChangesPage, error) {
	bound, err := s.cfg.Limits.page(r.Limit)
	if err != nil {
		return ChangesPage{}, err
	}
	if err := r.Actor.check(toRead); err != nil {
		return ChangesPage{}, err
	}
	// One read brings the rights and the page, of one snapshot. What is wrong with the cursor shows against the workspace.
	after, liveThrough := r.Cursor.reads()
	rows, err := s.store.Changes(ctx, ChangesParams{
		Workspace: r.Workspace, After: after, LiveThrough: liveThrough, Access: r.Actor.key(r.Workspace), PageBound: bound,
	})
	if err != nil {
		return ChangesPage{}, err
	}
	acc, err := rows.permit(r.Actor, r.Workspace, toRead)
	if err != nil {
		return ChangesPage{}, err
	}
	from, err := acc.workspace.resume(r.Cursor)
	if err != nil {
		return ChangesPage{}, err
	}
	if from.revision == acc.workspace.Revision && r.Cursor != "" {
		return ChangesPage{Cursor: r.Cursor, Revision: from.revision}, nil
	}
	return from.page(rows, bound.reached(rows.Items), acc.workspace.Revision), nil
}

// page arranges what was read after p. revision is the workspace's, of the same snapshot or before.
func (p position) page(rows ChangesRows, more bool, revision int64) ChangesPage {
	next := p
	if n := len(rows.Items); n > 0 {
		next.revision = rows.Items[n-1].Revision
	}
	if !more {
		// All was seen that there was when the revision was read: also where nothing of it is left to show.
		next.revision = max(next.revision, revision)
	}
	return ChangesPage{Items: parentsFirst(rows), Cursor: next.encode(), More: more, Revision: next.revision}
}

// parentsFirst puts items in the order of their revisions, but each folder whose own latest change lies further on before the first
// item in it. What the reader has seen already is in neither list of rows.
func parentsFirst(rows ChangesRows) []Item {
	above := make(map[ItemID]*ItemRow, len(rows.Ancestors))
	for i := range rows.Ancestors {
		above[rows.Ancestors[i].ID] = &rows.Ancestors[i]
	}
	for i := range rows.Items {
		if row := &rows.Items[i]; row.Kind == Folder && !row.Deleted {
			above[row.ID] = row
		}
	}
	items := make([]Item, 0, len(rows.Items))
	sent := make(map[ItemID]bool, len(above))
	var line []*ItemRow
	for i := range rows.Items {
		row := &rows.Items[i]
		if !row.Deleted {
			line = line[:0]
			for at := above[row.Parent]; at != nil && !sent[at.ID] && at.ID != row.ID; at = above[at.Parent] {
				sent[at.ID] = true
				line = append(line, at)
			}
			for k := len(line) - 1; k >= 0; k-- {
				items = append(items, line[k].Item)
			}
		}
		if row.Kind == Folder && !row.Deleted {
			if sent[row.ID] {
				continue // it came along with what lies in it
			}
			sent[row.ID] = true
		}
		items = append(items, row.Item)
	}
	return items
}
