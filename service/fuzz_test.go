package service_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// FuzzNames commits any name and reads it back by path: it is saved byte for byte and found, or it is refused by name and nothing
// is saved.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"a", "", ".", "..", "a/b", "a\x00", "\xff", "cafe\u0301", "\u202e", strings.Repeat("é", 128), "%s", "' OR 1=1 --"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, name, other string) {
		w := newWorld(t, memory.New(memory.Config{}))
		p := w.folder(stacksync.ItemID{}, name)
		o := w.commit(p)[0]
		legal := name != "" && len(name) <= 255 && utf8.ValidString(name) && !strings.ContainsAny(name, "/\x00") && name != "." && name != ".."
		if !legal {
			require.ErrorIs(t, o.Err, stacksync.ErrName)
			require.Zero(t, w.snapshot().Revision)
			return
		}
		require.NoError(t, o.Err)
		res, err := w.svc.GetItemByPath(t.Context(), stacksync.GetItemByPathRequest{Actor: w.actor, Workspace: w.ws, Path: name})
		require.NoError(t, err)
		require.Equal(t, name, res.Item.Name)

		_, err = w.svc.GetItemByPath(t.Context(), stacksync.GetItemByPathRequest{Actor: w.actor, Workspace: w.ws, Path: name + "/" + other})
		require.True(t, errors.Is(err, stacksync.ErrItemNotFound) || errors.Is(err, stacksync.ErrInvalid), "%v", err)
	})
}

// FuzzCursor gives Changes any cursor: it continues it, or says that it is none.
func FuzzCursor(f *testing.F) {
	w := newWorld(f, memory.New(memory.Config{}))
	newTree(w)
	for _, page := range w.pages("", 1) {
		f.Add(string(page.Cursor))
	}
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, cursor string) {
		page, err := w.svc.Changes(t.Context(), stacksync.ChangesRequest{Actor: w.actor, Workspace: w.ws, Cursor: stacksync.Cursor(cursor)})
		if err != nil {
			var ce *stacksync.CursorError
			require.ErrorAs(t, err, &ce)
			require.ErrorIs(t, err, stacksync.ErrCursor)
			return
		}
		require.LessOrEqual(t, page.Revision, int64(9))
		again, err := w.svc.Changes(t.Context(), stacksync.ChangesRequest{Actor: w.actor, Workspace: w.ws, Cursor: page.Cursor})
		require.NoError(t, err)
		require.Empty(t, again.Items)
	})
}

// FuzzCommit sends any proposals, as they might come off the wire. Whatever they are, each gets an outcome, the tree stays a tree,
// the charge stays right, and the same request again changes nothing.
func FuzzCommit(f *testing.F) {
	seed := func(proposals ...stacksync.Proposal) {
		text, err := json.Marshal(proposals)
		require.NoError(f, err)
		f.Add(string(text), false)
		f.Add(string(text), true)
	}
	docs := stacksync.Proposal{Item: numberedID(1), Version: 1, Name: "docs", Kind: stacksync.Folder}
	file := stacksync.Proposal{Item: numberedID(2), Version: 1, Parent: docs.Item, Name: "f", Kind: stacksync.File, Size: 3, Chunks: []stacksync.Chunk{chunkOf("one")}}
	seed(docs, file, next(file, func(p *stacksync.Proposal) { p.Parent = stacksync.ItemID{} }), deletion(docs))
	seed(docs, file, deletion(docs), deletion(file))
	seed(next(docs, func(p *stacksync.Proposal) { p.Parent = p.Item }))
	f.Add(`[{"version":9223372036854775807,"size":-5000,"kind":"file"}]`, false)
	f.Fuzz(func(t *testing.T, text string, atomic bool) {
		var proposals []stacksync.Proposal
		if json.Unmarshal([]byte(text), &proposals) != nil || len(proposals) == 0 {
			return
		}
		w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.Limits.Proposals = 100 })
		w.upload("one")
		r := stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Atomic: atomic, Proposals: proposals}
		res, err := w.svc.Commit(t.Context(), r)
		if err != nil {
			require.ErrorIs(t, err, stacksync.ErrLimit)
			return
		}
		require.Len(t, res.Outcomes, len(proposals))
		saved := 0
		for i, o := range res.Outcomes {
			require.Equal(t, o.OK(), o.Err == nil)
			if o.Result == stacksync.Committed {
				saved++
			}
			if o.OK() {
				require.Equal(t, proposals[i].Item, o.Item.ID)
				require.GreaterOrEqual(t, w.item(o.Item.ID).Version, proposals[i].Version, "it is saved")
			}
		}
		s := w.snapshot()
		require.Equal(t, s.charged(), s.Used)
		require.Equal(t, res.Revision, s.Revision)
		require.GreaterOrEqual(t, s.Revision, int64(saved))
		requireTree(t, s)

		again, err := w.svc.Commit(t.Context(), r)
		require.NoError(t, err)
		for i, o := range again.Outcomes {
			if res.Outcomes[i].OK() && !atomic {
				require.True(t, o.OK(), "%v", o.Err)
			}
		}
	})
}
