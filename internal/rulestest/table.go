package rulestest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// row is a proposal to a Tree, and the outcome that it must have.
type row struct {
	name    string
	propose func(tr Tree) stacksync.Proposal
	result  stacksync.Result
	err     error
	says    string // the limit or field that the error's text must name
	// item returns a proposal of the item that comes with the outcome, if that is not the proposed
	// item.
	item  func(tr Tree) stacksync.Proposal
	check func(t *testing.T, it stacksync.Item) // checks the outcome's item
}

// rows returns a row for every row of the commit table and for every structure rule.
func rows() []row {
	const (
		committed = stacksync.Committed
		already   = stacksync.AlreadyCommitted
		conflict  = stacksync.InConflict
		rejected  = stacksync.Rejected
	)
	type change = func(*stacksync.Proposal)
	newFile := func(f change) func(Tree) stacksync.Proposal {
		return func(tr Tree) stacksync.Proposal {
			p := tr.file(tr.Docs.Item, "new", "new content")
			f(&p)
			return p
		}
	}
	changed := func(of func(Tree) stacksync.Proposal, f func(tr Tree, p *stacksync.Proposal)) func(Tree) stacksync.Proposal {
		return func(tr Tree) stacksync.Proposal {
			return next(of(tr), func(p *stacksync.Proposal) { f(tr, p) })
		}
	}
	docs := func(tr Tree) stacksync.Proposal { return tr.Docs }
	sub := func(tr Tree) stacksync.Proposal { return tr.Sub }
	a := func(tr Tree) stacksync.Proposal { return tr.A }
	deep := func(tr Tree) stacksync.Proposal { return tr.Deep }
	// gone proposes the version that the tombstone of Gone has.
	gone := func(tr Tree) stacksync.Proposal { return next(tr.Gone, func(*stacksync.Proposal) {}) }
	x := func(tr Tree) stacksync.Proposal { return next(tr.X, func(*stacksync.Proposal) {}) }
	named := func(name string) func(Tree) stacksync.Proposal {
		return newFile(func(p *stacksync.Proposal) { p.Name = name })
	}

	return []row{
		// The commit table.
		{name: "unknown, version 1", propose: newFile(func(*stacksync.Proposal) {}), result: committed},
		{name: "unknown, version 2", propose: newFile(func(p *stacksync.Proposal) { p.Version = 2 }), result: rejected, err: stacksync.ErrUnknownItem},
		{name: "unknown, deleted", propose: newFile(func(p *stacksync.Proposal) { p.Delete = true }), result: rejected, err: stacksync.ErrUnknownItem},
		{name: "current version again", propose: deep, result: already},
		{name: "old version again", propose: func(tr Tree) stacksync.Proposal { return tr.Deep1 }, result: already,
			check: func(t *testing.T, it stacksync.Item) {
				require.EqualValues(t, 2, it.Version, "the current version comes along")
			}},
		{name: "current version, other content", propose: func(tr Tree) stacksync.Proposal { p := tr.A; p.Checksum = "other"; return p }, result: conflict, err: stacksync.ErrVersionConflict},
		{name: "current version, deleted", propose: func(tr Tree) stacksync.Proposal { p := tr.A; p.Delete = true; return p }, result: conflict, err: stacksync.ErrVersionConflict},
		{name: "old version, other name", propose: func(tr Tree) stacksync.Proposal { p := tr.Deep1; p.Name = "other"; return p }, result: conflict, err: stacksync.ErrVersionConflict},
		{name: "next version", propose: changed(a, func(tr Tree, p *stacksync.Proposal) { p.Attrs = map[string]string{"k": "v"} }), result: committed},
		{name: "version after the next", propose: func(tr Tree) stacksync.Proposal { p := tr.A; p.Version = 3; return p }, result: conflict, err: stacksync.ErrVersionConflict},
		{name: "version 0", propose: newFile(func(p *stacksync.Proposal) { p.Version = 0 }), result: rejected, err: stacksync.ErrInvalid, says: "Version is not 1 or more"},
		{name: "version -1", propose: newFile(func(p *stacksync.Proposal) { p.Version = -1 }), result: rejected, err: stacksync.ErrInvalid, says: "Version"},
		{name: "deletion again", propose: func(tr Tree) stacksync.Proposal { return deletion(tr.Gone) }, result: already},
		{name: "deletion of a tombstone", propose: func(tr Tree) stacksync.Proposal { return deletion(gone(tr)) }, result: rejected, err: stacksync.ErrAlreadyDeleted},

		// The parent.
		{name: "parent unknown", propose: newFile(func(p *stacksync.Proposal) { p.Parent = NumberedID(-1) }), result: rejected, err: stacksync.ErrParentNotFound},
		{name: "parent is a file", propose: func(tr Tree) stacksync.Proposal { return tr.folder(tr.A.Item, "n") }, result: rejected, err: stacksync.ErrParentNotFolder},
		{name: "parent is deleted", propose: func(tr Tree) stacksync.Proposal { return tr.folder(tr.Gone.Item, "n") }, result: rejected, err: stacksync.ErrParentDeleted},
		{name: "parent is the item", propose: changed(sub, func(tr Tree, p *stacksync.Proposal) { p.Parent = p.Item }), result: rejected, err: stacksync.ErrCycle, says: "Parent"},
		{name: "below itself", propose: changed(docs, func(tr Tree, p *stacksync.Proposal) { p.Parent = tr.Sub.Item }), result: rejected, err: stacksync.ErrCycle},
		{name: "too deep", propose: func(tr Tree) stacksync.Proposal {
			top := tr.Sub
			for range 3 {
				low := tr.folder(top.Item, "low")
				tr.must(low)
				top = low
			}
			return tr.folder(top.Item, "lower")
		}, result: rejected, err: stacksync.ErrLimit, says: "more than 5 folders deep"},
		{name: "to the root", propose: changed(sub, func(tr Tree, p *stacksync.Proposal) { p.Parent = stacksync.ItemID{} }), result: committed,
			check: func(t *testing.T, it stacksync.Item) { require.Equal(t, stacksync.StatusMoved, it.Status) }},

		// The name.
		{name: "name empty", propose: named(""), result: rejected, err: stacksync.ErrName, says: "Name is not 1 to 255 bytes"},
		{name: "name of 255 bytes", propose: named(strings.Repeat("n", 255)), result: committed},
		{name: "name of 256 bytes", propose: named(strings.Repeat("n", 256)), result: rejected, err: stacksync.ErrName, says: "255"},
		{name: "name dot", propose: named("."), result: rejected, err: stacksync.ErrName},
		{name: "name dot dot", propose: named(".."), result: rejected, err: stacksync.ErrName},
		{name: "name with slash", propose: named("a/../../etc"), result: rejected, err: stacksync.ErrName, says: "/"},
		{name: "name with NUL", propose: named("a\x00b"), result: rejected, err: stacksync.ErrName},
		{name: "name not UTF-8", propose: named("a\xff"), result: rejected, err: stacksync.ErrName, says: "UTF-8"},
		{name: "name taken", propose: named("a"), result: conflict, err: stacksync.ErrNameTaken, item: a},
		{name: "name taken, as NFD", propose: func(tr Tree) stacksync.Proposal {
			tr.must(tr.folder(tr.Docs.Item, "caf\u00e9"))
			return tr.folder(tr.Docs.Item, "cafe\u0301")
		}, result: conflict, err: stacksync.ErrNameTaken, check: func(t *testing.T, it stacksync.Item) { require.Equal(t, "caf\u00e9", it.Name) }},
		{name: "name in another case", propose: named("A"), result: committed},
		{name: "name taken by a rename", propose: changed(sub, func(tr Tree, p *stacksync.Proposal) { p.Name = "a" }), result: conflict, err: stacksync.ErrNameTaken, item: a},
		{name: "name of a deleted item", propose: func(tr Tree) stacksync.Proposal { return tr.folder(stacksync.ItemID{}, "gone") }, result: committed},
		{name: "renamed in case only", propose: changed(a, func(tr Tree, p *stacksync.Proposal) { p.Name = "A" }), result: committed,
			check: func(t *testing.T, it stacksync.Item) { require.Equal(t, stacksync.StatusRenamed, it.Status) }},

		// Kind and content.
		{name: "file becomes folder", propose: changed(a, func(tr Tree, p *stacksync.Proposal) {
			*p = stacksync.Proposal{Item: p.Item, Version: p.Version, Parent: p.Parent, Name: p.Name, Kind: stacksync.Folder}
		}), result: rejected, err: stacksync.ErrKindChanged},
		{name: "kind unknown", propose: newFile(func(p *stacksync.Proposal) { p.Kind = 7 }), result: rejected, err: stacksync.ErrInvalid, says: "Kind"},
		{name: "folder with size", propose: changed(sub, func(tr Tree, p *stacksync.Proposal) { p.Size = 1 }), result: rejected, err: stacksync.ErrFolderContent},
		{name: "folder with chunks", propose: changed(sub, func(tr Tree, p *stacksync.Proposal) { p.Chunks = tr.A.Chunks }), result: rejected, err: stacksync.ErrFolderContent},
		{name: "folder with media type", propose: changed(sub, func(tr Tree, p *stacksync.Proposal) { p.MediaType = "text/plain" }), result: rejected, err: stacksync.ErrFolderContent},
		{name: "size negative", propose: newFile(func(p *stacksync.Proposal) { p.Size = -5000; p.Chunks[0].Size = -5000 }), result: rejected, err: stacksync.ErrSize, says: "Size"},
		{name: "size is not the sum", propose: newFile(func(p *stacksync.Proposal) { p.Size++ }), result: rejected, err: stacksync.ErrSize, says: "Size"},
		{name: "sum would overflow", propose: newFile(func(p *stacksync.Proposal) {
			big := stacksync.Chunk{Name: "big", Size: 1 << 50}
			for range 1 << 14 {
				p.Chunks = append(p.Chunks, big)
			}
		}), result: rejected, err: stacksync.ErrSize},
		{name: "size over the limit", propose: newFile(func(p *stacksync.Proposal) { p.Size = 1<<50 + 1 }), result: rejected, err: stacksync.ErrSize, says: "1125899906842624"},
		{name: "chunk name empty", propose: newFile(func(p *stacksync.Proposal) { p.Chunks[0].Name = "" }), result: rejected, err: stacksync.ErrInvalid, says: "Chunks[0].Name"},
		{name: "chunk name not ASCII", propose: newFile(func(p *stacksync.Proposal) { p.Chunks[0].Name = "é" }), result: rejected, err: stacksync.ErrInvalid, says: "Chunks[0].Name"},
		{name: "chunk stored with another size", propose: func(tr Tree) stacksync.Proposal {
			p := tr.file(tr.Docs.Item, "n", "n")
			p.Chunks = []stacksync.Chunk{{Name: tr.A.Chunks[0].Name, Size: 1}}
			return p
		}, result: rejected, err: stacksync.ErrSize, says: "4 bytes, not 1"},
		{name: "chunk missing", propose: newFile(func(p *stacksync.Proposal) { p.Chunks[0].Name = "nowhere" }), result: rejected, err: stacksync.ErrChunksMissing, says: "nowhere"},
		{name: "chunk of 0 bytes", propose: newFile(func(p *stacksync.Proposal) { p.Chunks = append(p.Chunks, stacksync.Chunk{Name: "empty"}) }), result: rejected, err: stacksync.ErrSize, says: "Chunks[1].Size is 0"},
		{name: "empty file", propose: newFile(func(p *stacksync.Proposal) { p.Size, p.Chunks = 0, nil }), result: committed},

		// Limits.
		{name: "too many attributes", propose: newFile(func(p *stacksync.Proposal) { p.Attrs = map[string]string{"1": "", "2": "", "3": ""} }), result: rejected, err: stacksync.ErrLimit, says: "Attrs are more than 2"},
		{name: "attributes too long", propose: newFile(func(p *stacksync.Proposal) { p.Attrs = map[string]string{"k": strings.Repeat("v", 100)} }), result: rejected, err: stacksync.ErrLimit, says: "100 bytes"},
		{name: "attribute with NUL", propose: newFile(func(p *stacksync.Proposal) { p.Attrs = map[string]string{"k": "\x00"} }), result: rejected, err: stacksync.ErrInvalid, says: "Attrs"},
		{name: "checksum too long", propose: newFile(func(p *stacksync.Proposal) { p.Checksum = strings.Repeat("c", 256) }), result: rejected, err: stacksync.ErrLimit, says: "Checksum is longer than 255"},
		{name: "media type not UTF-8", propose: newFile(func(p *stacksync.Proposal) { p.MediaType = "\xff" }), result: rejected, err: stacksync.ErrInvalid, says: "MediaType"},
		{name: "modified in year 10000", propose: newFile(func(p *stacksync.Proposal) { p.ModifiedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }), result: rejected, err: stacksync.ErrInvalid, says: "ModifiedAt"},
		{name: "too many chunks", propose: newFile(func(p *stacksync.Proposal) {
			p.Chunks, p.Size = make([]stacksync.Chunk, 20_001), 0
			for i := range p.Chunks {
				p.Chunks[i] = stacksync.Chunk{Name: "one", Size: 1}
			}
		}), result: rejected, err: stacksync.ErrLimit, says: "Chunks are more than 20000"},
		{name: "over the quota", propose: func(tr Tree) stacksync.Proposal {
			tr.SetQuota(20)
			return tr.file(tr.Docs.Item, "n", "eleven byte")
		}, result: rejected, err: stacksync.ErrQuotaExceeded, says: "10 of 20 bytes used, 11 more needed"},
		{name: "up to the quota", propose: func(tr Tree) stacksync.Proposal {
			tr.SetQuota(21)
			return tr.file(tr.Docs.Item, "n", "eleven byte")
		}, result: committed},
		{name: "shrinks while over the quota", propose: func(tr Tree) stacksync.Proposal {
			tr.SetQuota(1)
			return next(tr.A, func(p *stacksync.Proposal) { p.Size, p.Chunks = 1, tr.Upload("a") })
		}, result: committed},
		{name: "policy", propose: named("vetoed"), result: rejected, err: stacksync.ErrVetoed, says: "house rule"},
		{name: "policy keeps what lies below", propose: func(tr Tree) stacksync.Proposal {
			tr.must(tr.folder(tr.Sub.Item, "held"))
			return deletion(tr.Docs)
		}, result: rejected, err: stacksync.ErrVetoed, says: "legal hold"},
		{name: "policy meddles", propose: named("meddled"), result: committed},
		{name: "policy panics", propose: named("panics"), result: rejected, err: stacksync.ErrVetoed, says: "policy panicked"},

		// Deletion and restore.
		{name: "delete file", propose: func(tr Tree) stacksync.Proposal { return deletion(tr.Deep) }, result: committed,
			check: func(t *testing.T, it stacksync.Item) {
				require.True(t, it.Deleted)
				require.Equal(t, stacksync.StatusDeleted, it.Status)
				require.Equal(t, "deep", it.Name, "a tombstone keeps what it needs for restore")
			}},
		{name: "delete folder", propose: func(tr Tree) stacksync.Proposal { return deletion(tr.Docs) }, result: committed},
		{name: "restore folder", propose: changed(gone, func(Tree, *stacksync.Proposal) {}), result: committed,
			check: func(t *testing.T, it stacksync.Item) { require.Equal(t, stacksync.StatusNew, it.Status) }},
		{name: "restore below a deleted folder", propose: changed(x, func(Tree, *stacksync.Proposal) {}), result: rejected, err: stacksync.ErrParentDeleted},
		{name: "restore elsewhere", propose: changed(x, func(tr Tree, p *stacksync.Proposal) { p.Parent = tr.Docs.Item }), result: committed},
		{name: "zero item", propose: newFile(func(p *stacksync.Proposal) { p.Item = stacksync.ItemID{} }), result: rejected, err: stacksync.ErrInvalid, says: "Item is zero"},
	}
}

// Run checks each row in a subtest. If the outcome is not Committed, the world must be as before.
// newWorld makes the world of the n-th row, with Limits and Policy.
func Run(t *testing.T, newWorld func(t *testing.T, n int) World) {
	for i, row := range rows() {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, i)
			tr := NewTree(t, w)
			p := row.propose(tr)
			before := w.Snapshot()
			outcome := w.Commit(p)[0]
			after := w.Snapshot()

			require.Equal(t, row.result, outcome.Result, "error: %v", outcome.Err)
			require.Equal(t, after.Charged(), after.Used)
			if row.err == nil {
				require.NoError(t, outcome.Err)
			} else {
				require.ErrorIs(t, outcome.Err, row.err)
				var of *stacksync.ItemError
				require.ErrorAs(t, outcome.Err, &of)
				require.Equal(t, p.Item, of.Item, "the error names the item")
				require.ErrorContains(t, outcome.Err, row.says)
			}
			if row.result != stacksync.Committed {
				require.Equal(t, before, after, "nothing was saved")
			}
			switch row.result {
			case stacksync.Rejected:
				require.Nil(t, outcome.Item)
			case stacksync.Committed:
				require.Equal(t, p.Version, outcome.Item.Version)
				require.Equal(t, *outcome.Item, w.Item(p.Item))
			case stacksync.InConflict, stacksync.AlreadyCommitted:
				require.Equal(t, *outcome.Item, w.Item(outcome.Item.ID), "the current item comes along")
			}
			if row.check != nil {
				row.check(t, *outcome.Item)
			} else if row.item != nil {
				require.Equal(t, row.item(tr).Item, outcome.Item.ID)
			}
		})
	}
}
