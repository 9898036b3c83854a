package service_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service"
)

// tree is what the table's rows start from:
// docs/            folder
// docs/sub/        folder
// docs/sub/deep    file, versions 1 and 2
// docs/a           file
// gone/            folder, deleted
// gone/x           file, deleted with it
type tree struct {
	*world
	docs, sub, deep1, deep, a, gone, x stacksync.Proposal
}

func newTree(w *world) tree {
	tr := tree{world: w}
	tr.docs = w.folder(stacksync.ItemID{}, "docs")
	tr.sub = w.folder(tr.docs.Item, "sub")
	tr.deep1 = w.file(tr.sub.Item, "deep", "one")
	tr.a = w.file(tr.docs.Item, "a", "aaaa")
	tr.gone = w.folder(stacksync.ItemID{}, "gone")
	tr.x = w.file(tr.gone.Item, "x", "x")
	w.must(tr.docs, tr.sub, tr.deep1, tr.a, tr.gone, tr.x)
	tr.deep = next(tr.deep1, func(p *stacksync.Proposal) {
		p.Chunks = w.upload("one", "two")
		p.Size = 6
	})
	w.must(tr.deep, deletion(tr.gone))
	return tr
}

// TestRules has a row for every row of the commit table and for every structure rule. A row that is not saved must leave everything
// as it was.
func TestRules(t *testing.T) {
	const (
		committed = stacksync.Committed
		already   = stacksync.AlreadyCommitted
		conflict  = stacksync.InConflict
		rejected  = stacksync.Rejected
	)
	type change = func(*stacksync.Proposal)
	newFile := func(f change) func(tree) stacksync.Proposal {
		return func(tr tree) stacksync.Proposal {
			p := tr.file(tr.docs.Item, "new", "new content")
			f(&p)
			return p
		}
	}
	changed := func(of func(tree) stacksync.Proposal, f func(tr tree, p *stacksync.Proposal)) func(tree) stacksync.Proposal {
		return func(tr tree) stacksync.Proposal {
			return next(of(tr), func(p *stacksync.Proposal) { f(tr, p) })
		}
	}
	docs := func(tr tree) stacksync.Proposal { return tr.docs }
	sub := func(tr tree) stacksync.Proposal { return tr.sub }
	a := func(tr tree) stacksync.Proposal { return tr.a }
	deep := func(tr tree) stacksync.Proposal { return tr.deep }
	gone := func(tr tree) stacksync.Proposal { return next(tr.gone, func(*stacksync.Proposal) {}) } // its tombstone
	x := func(tr tree) stacksync.Proposal { return next(tr.x, func(*stacksync.Proposal) {}) }
	named := func(name string) func(tree) stacksync.Proposal {
		return newFile(func(p *stacksync.Proposal) { p.Name = name })
	}

	rows := []struct {
		name    string
		propose func(tr tree) stacksync.Proposal
		result  stacksync.Result
		err     error
		says    string                                // the limit or field that the error must name
		item    func(tr tree) stacksync.Proposal      // whose current version comes with the outcome, if not the proposal's
		check   func(t *testing.T, it stacksync.Item) // of the outcome's item
	}{
		// The commit table.
		{name: "unknown, version 1", propose: newFile(func(*stacksync.Proposal) {}), result: committed},
		{name: "unknown, version 2", propose: newFile(func(p *stacksync.Proposal) { p.Version = 2 }), result: rejected, err: stacksync.ErrUnknownItem},
		{name: "unknown, deleted", propose: newFile(func(p *stacksync.Proposal) { p.Delete = true }), result: rejected, err: stacksync.ErrUnknownItem},
		{name: "current version again", propose: deep, result: already},
		{name: "old version again", propose: func(tr tree) stacksync.Proposal { return tr.deep1 }, result: already,
			check: func(t *testing.T, it stacksync.Item) {
				require.EqualValues(t, 2, it.Version, "the current version comes along")
			}},
		{name: "current version, other content", propose: func(tr tree) stacksync.Proposal { p := tr.a; p.Checksum = "other"; return p }, result: conflict, err: stacksync.ErrVersionConflict},
		{name: "current version, deleted", propose: func(tr tree) stacksync.Proposal { p := tr.a; p.Delete = true; return p }, result: conflict, err: stacksync.ErrVersionConflict},
		{name: "old version, other name", propose: func(tr tree) stacksync.Proposal { p := tr.deep1; p.Name = "other"; return p }, result: conflict, err: stacksync.ErrVersionConflict},
		{name: "next version", propose: changed(a, func(tr tree, p *stacksync.Proposal) { p.Attrs = map[string]string{"k": "v"} }), result: committed},
		{name: "version after the next", propose: func(tr tree) stacksync.Proposal { p := tr.a; p.Version = 3; return p }, result: conflict, err: stacksync.ErrVersionConflict},
		{name: "version 0", propose: newFile(func(p *stacksync.Proposal) { p.Version = 0 }), result: rejected, err: stacksync.ErrInvalid, says: "Version is not 1 or more"},
		{name: "version -1", propose: newFile(func(p *stacksync.Proposal) { p.Version = -1 }), result: rejected, err: stacksync.ErrInvalid, says: "Version"},
		{name: "deletion again", propose: func(tr tree) stacksync.Proposal { return deletion(tr.gone) }, result: already},
		{name: "deletion of a tombstone", propose: func(tr tree) stacksync.Proposal { return deletion(gone(tr)) }, result: rejected, err: stacksync.ErrAlreadyDeleted},

		// The parent.
		{name: "parent unknown", propose: newFile(func(p *stacksync.Proposal) { p.Parent = numberedID(-1) }), result: rejected, err: stacksync.ErrParentNotFound},
		{name: "parent is a file", propose: func(tr tree) stacksync.Proposal { return tr.folder(tr.a.Item, "n") }, result: rejected, err: stacksync.ErrParentNotFolder},
		{name: "parent is deleted", propose: func(tr tree) stacksync.Proposal { return tr.folder(tr.gone.Item, "n") }, result: rejected, err: stacksync.ErrParentDeleted},
		{name: "parent is the item", propose: changed(sub, func(tr tree, p *stacksync.Proposal) { p.Parent = p.Item }), result: rejected, err: stacksync.ErrCycle, says: "Parent"},
		{name: "below itself", propose: changed(docs, func(tr tree, p *stacksync.Proposal) { p.Parent = tr.sub.Item }), result: rejected, err: stacksync.ErrCycle},
		{name: "too deep", propose: func(tr tree) stacksync.Proposal {
			top := tr.sub
			for range 3 {
				low := tr.folder(top.Item, "low")
				tr.must(low)
				top = low
			}
			return tr.folder(top.Item, "lower")
		}, result: rejected, err: stacksync.ErrLimit, says: "more than 5 folders deep"},
		{name: "to the root", propose: changed(sub, func(tr tree, p *stacksync.Proposal) { p.Parent = stacksync.ItemID{} }), result: committed,
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
		{name: "name taken, as NFD", propose: func(tr tree) stacksync.Proposal {
			tr.must(tr.folder(tr.docs.Item, "caf\u00e9"))
			return tr.folder(tr.docs.Item, "cafe\u0301")
		}, result: conflict, err: stacksync.ErrNameTaken, check: func(t *testing.T, it stacksync.Item) { require.Equal(t, "caf\u00e9", it.Name) }},
		{name: "name in another case", propose: named("A"), result: committed},
		{name: "name taken by a rename", propose: changed(sub, func(tr tree, p *stacksync.Proposal) { p.Name = "a" }), result: conflict, err: stacksync.ErrNameTaken, item: a},
		{name: "name of a deleted item", propose: func(tr tree) stacksync.Proposal { return tr.folder(stacksync.ItemID{}, "gone") }, result: committed},
		{name: "renamed in case only", propose: changed(a, func(tr tree, p *stacksync.Proposal) { p.Name = "A" }), result: committed,
			check: func(t *testing.T, it stacksync.Item) { require.Equal(t, stacksync.StatusRenamed, it.Status) }},

		// Kind and content.
		{name: "file becomes folder", propose: changed(a, func(tr tree, p *stacksync.Proposal) {
			*p = stacksync.Proposal{Item: p.Item, Version: p.Version, Parent: p.Parent, Name: p.Name, Kind: stacksync.Folder}
		}), result: rejected, err: stacksync.ErrKindChanged},
		{name: "kind unknown", propose: newFile(func(p *stacksync.Proposal) { p.Kind = 7 }), result: rejected, err: stacksync.ErrInvalid, says: "Kind"},
		{name: "folder with size", propose: changed(sub, func(tr tree, p *stacksync.Proposal) { p.Size = 1 }), result: rejected, err: stacksync.ErrFolderContent},
		{name: "folder with chunks", propose: changed(sub, func(tr tree, p *stacksync.Proposal) { p.Chunks = tr.a.Chunks }), result: rejected, err: stacksync.ErrFolderContent},
		{name: "folder with media type", propose: changed(sub, func(tr tree, p *stacksync.Proposal) { p.MediaType = "text/plain" }), result: rejected, err: stacksync.ErrFolderContent},
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
		{name: "chunk stored with another size", propose: func(tr tree) stacksync.Proposal {
			p := tr.file(tr.docs.Item, "n", "n")
			p.Chunks = []stacksync.Chunk{{Name: tr.a.Chunks[0].Name, Size: 1}}
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
		{name: "over the quota", propose: func(tr tree) stacksync.Proposal {
			limit := int64(20)
			_, err := tr.svc.PutUser(tr.Context(), stacksync.PutUserRequest{User: tr.actor.User, QuotaLimit: &limit})
			require.NoError(tr, err)
			return tr.file(tr.docs.Item, "n", "eleven byte")
		}, result: rejected, err: stacksync.ErrQuotaExceeded, says: "10 of 20 bytes used, 11 more needed"},
		{name: "up to the quota", propose: func(tr tree) stacksync.Proposal {
			limit := int64(21)
			_, err := tr.svc.PutUser(tr.Context(), stacksync.PutUserRequest{User: tr.actor.User, QuotaLimit: &limit})
			require.NoError(tr, err)
			return tr.file(tr.docs.Item, "n", "eleven byte")
		}, result: committed},
		{name: "shrinks while over the quota", propose: func(tr tree) stacksync.Proposal {
			limit := int64(1)
			_, err := tr.svc.PutUser(tr.Context(), stacksync.PutUserRequest{User: tr.actor.User, QuotaLimit: &limit})
			require.NoError(tr, err)
			return next(tr.a, func(p *stacksync.Proposal) { p.Size, p.Chunks = 1, tr.upload("a") })
		}, result: committed},
		{name: "policy", propose: named("vetoed"), result: rejected, err: stacksync.ErrVetoed, says: "house rule"},
		{name: "policy keeps what lies below", propose: func(tr tree) stacksync.Proposal {
			tr.must(tr.folder(tr.sub.Item, "held"))
			return deletion(tr.docs)
		}, result: rejected, err: stacksync.ErrVetoed, says: "legal hold"},
		{name: "policy meddles", propose: named("meddled"), result: committed},
		{name: "policy panics", propose: named("panics"), result: rejected, err: stacksync.ErrVetoed, says: "policy panicked"},

		// Deletion and restore.
		{name: "delete file", propose: func(tr tree) stacksync.Proposal { return deletion(tr.deep) }, result: committed,
			check: func(t *testing.T, it stacksync.Item) {
				require.True(t, it.Deleted)
				require.Equal(t, stacksync.StatusDeleted, it.Status)
				require.Equal(t, "deep", it.Name, "a tombstone keeps what it needs for restore")
			}},
		{name: "delete folder", propose: func(tr tree) stacksync.Proposal { return deletion(tr.docs) }, result: committed},
		{name: "restore folder", propose: changed(gone, func(tree, *stacksync.Proposal) {}), result: committed,
			check: func(t *testing.T, it stacksync.Item) { require.Equal(t, stacksync.StatusNew, it.Status) }},
		{name: "restore below a deleted folder", propose: changed(x, func(tree, *stacksync.Proposal) {}), result: rejected, err: stacksync.ErrParentDeleted},
		{name: "restore elsewhere", propose: changed(x, func(tr tree, p *stacksync.Proposal) { p.Parent = tr.docs.Item }), result: committed},
		{name: "zero item", propose: newFile(func(p *stacksync.Proposal) { p.Item = stacksync.ItemID{} }), result: rejected, err: stacksync.ErrInvalid, says: "Item is zero"},
	}
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		house := newWorld(t, open(t), func(c *service.Config) {
			c.Limits = stacksync.Limits{Attrs: 2, AttrBytes: 100, Chunks: 20_000, Depth: 5}
			c.Policy = houseRule
		})
		for i, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				w := house.guest(t, i)
				tr := newTree(w)
				p := row.propose(tr)
				before := w.snapshot()
				outcome := w.commit(p)[0]
				after := w.snapshot()

				require.Equal(t, row.result, outcome.Result, "error: %v", outcome.Err)
				require.Equal(t, after.charged(), after.Used)
				if row.err == nil {
					require.NoError(t, outcome.Err)
				} else {
					require.ErrorIs(t, outcome.Err, row.err)
					var of *stacksync.ItemError
					require.ErrorAs(t, outcome.Err, &of)
					require.Equal(t, p.Item, of.Item, "the error names the item")
					require.ErrorContains(t, outcome.Err, row.says)
				}
				if row.result != committed {
					require.Equal(t, before, after, "nothing was saved")
				}
				switch row.result {
				case rejected:
					require.Nil(t, outcome.Item)
				case committed:
					require.Equal(t, p.Version, outcome.Item.Version)
					require.Equal(t, *outcome.Item, w.item(p.Item))
				case conflict, already:
					require.Equal(t, *outcome.Item, w.item(outcome.Item.ID), "the current item comes along")
				}
				if row.check != nil {
					row.check(t, *outcome.Item)
				} else if row.item != nil {
					require.Equal(t, row.item(tr).Item, outcome.Item.ID)
				}
			})
		}
	})
}

func houseRule(_ context.Context, r stacksync.PolicyRequest) error {
	switch r.Proposed.Name {
	case "vetoed":
		return errors.New("house rule")
	case "held":
		if r.Proposed.Deleted {
			return errors.New("legal hold")
		}
	case "meddled":
		r.Proposed.Name, r.Proposed.Size = "../etc", 0
	case "panics":
		panic("oops")
	}
	return nil
}
