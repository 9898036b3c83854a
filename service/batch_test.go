package service_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// In these tests a later proposal must see what earlier ones in the batch did, whether they come in one commit or in several that
// were gathered. Each names what the last proposal is answered with.
func TestBatchSeesItself(t *testing.T) {
	root := stacksync.ItemID{}
	to := func(parent stacksync.ItemID) func(*stacksync.Proposal) {
		return func(p *stacksync.Proposal) { p.Parent = parent }
	}
	as := func(name string) func(*stacksync.Proposal) {
		return func(p *stacksync.Proposal) { p.Name = name }
	}
	rows := []struct {
		name  string
		batch func(tr tree) []stacksync.Proposal
		err   error
		gone  []string // paths that must be gone afterwards
		there []string // and paths that must be there
	}{
		{"a tree in one batch", func(tr tree) []stacksync.Proposal {
			top := tr.folder(root, "top")
			mid := tr.folder(top.Item, "mid")
			return []stacksync.Proposal{top, mid, tr.file(mid.Item, "leaf", "leaf")}
		}, nil, nil, []string{"top/mid/leaf"}},
		{"child before its parent", func(tr tree) []stacksync.Proposal {
			top := tr.folder(root, "top")
			return []stacksync.Proposal{tr.file(top.Item, "leaf", "leaf"), top, tr.folder(numberedID(-1), "x")}
		}, stacksync.ErrParentNotFound, []string{"top/leaf"}, []string{"top"}},
		{"below itself through what is there", func(tr tree) []stacksync.Proposal {
			low := tr.folder(tr.sub.Item, "low")
			lower := tr.folder(low.Item, "lower")
			tr.must(low, lower)
			return []stacksync.Proposal{next(tr.docs, to(lower.Item))}
		}, stacksync.ErrCycle, nil, []string{"docs/sub/low/lower"}},
		{"below itself through a new folder", func(tr tree) []stacksync.Proposal {
			low := tr.folder(tr.sub.Item, "low")
			return []stacksync.Proposal{low, next(tr.docs, to(low.Item))}
		}, stacksync.ErrCycle, nil, []string{"docs/sub/low"}},
		{"below itself through a moved folder", func(tr tree) []stacksync.Proposal {
			other := tr.folder(root, "other")
			low := tr.folder(other.Item, "low")
			tr.must(other, low)
			return []stacksync.Proposal{next(other, to(tr.sub.Item)), next(tr.docs, to(low.Item))}
		}, stacksync.ErrCycle, nil, []string{"docs/sub/other/low"}},
		{"crossed moves", func(tr tree) []stacksync.Proposal {
			b := tr.folder(root, "b")
			tr.must(b)
			return []stacksync.Proposal{next(tr.docs, to(b.Item)), next(b, to(tr.docs.Item))}
		}, stacksync.ErrCycle, nil, []string{"b/docs"}},
		{"swap places of folder and subfolder", func(tr tree) []stacksync.Proposal {
			return []stacksync.Proposal{next(tr.sub, to(root)), next(tr.docs, to(tr.sub.Item))}
		}, nil, []string{"docs"}, []string{"sub/docs/a", "sub/deep"}},
		{"move a folder, then delete where it went", func(tr tree) []stacksync.Proposal {
			b := tr.folder(root, "b")
			tr.must(b)
			return []stacksync.Proposal{next(tr.docs, to(b.Item)), deletion(b)}
		}, nil, []string{"b", "docs"}, nil},
		{"move out, then delete the folder", func(tr tree) []stacksync.Proposal {
			return []stacksync.Proposal{next(tr.sub, to(root)), deletion(tr.docs)}
		}, nil, []string{"docs"}, []string{"sub/deep"}},
		{"new item in a folder deleted before", func(tr tree) []stacksync.Proposal {
			return []stacksync.Proposal{deletion(tr.docs), tr.folder(tr.docs.Item, "n")}
		}, stacksync.ErrParentDeleted, []string{"docs"}, nil},
		{"new item deleted with its folder", func(tr tree) []stacksync.Proposal {
			return []stacksync.Proposal{tr.folder(tr.sub.Item, "n"), deletion(tr.docs)}
		}, nil, []string{"docs"}, nil},
		{"a child deleted by itself after its folder", func(tr tree) []stacksync.Proposal {
			return []stacksync.Proposal{deletion(tr.docs), deletion(tr.a)}
		}, nil, []string{"docs"}, nil},
		{"two of one name", func(tr tree) []stacksync.Proposal {
			return []stacksync.Proposal{tr.folder(root, "n"), tr.folder(root, "n")}
		}, stacksync.ErrNameTaken, nil, []string{"n"}},
		{"a name that became free", func(tr tree) []stacksync.Proposal {
			return []stacksync.Proposal{next(tr.a, as("b")), tr.folder(tr.docs.Item, "a")}
		}, nil, nil, []string{"docs/a", "docs/b"}},
		{"a name freed by deleting a folder", func(tr tree) []stacksync.Proposal {
			return []stacksync.Proposal{deletion(tr.docs), tr.folder(root, "docs")}
		}, nil, []string{"docs/a"}, []string{"docs"}},
		{"swap of two names", func(tr tree) []stacksync.Proposal {
			sub := next(tr.sub, as("tmp"))
			return []stacksync.Proposal{sub, next(tr.a, as("sub")), next(sub, as("a"))}
		}, nil, []string{"docs/tmp", "docs/sub/deep"}, []string{"docs/a/deep", "docs/sub"}},
		{"versions 1 and 2", func(tr tree) []stacksync.Proposal {
			n := tr.folder(root, "n")
			return []stacksync.Proposal{n, next(n, as("m"))}
		}, nil, []string{"n"}, []string{"m"}},
		{"version 1 again after version 2", func(tr tree) []stacksync.Proposal {
			n := tr.folder(root, "n")
			return []stacksync.Proposal{n, next(n, as("m")), n}
		}, nil, []string{"n"}, []string{"m"}},
		{"another version 1 after version 2", func(tr tree) []stacksync.Proposal {
			n := tr.folder(root, "n")
			other := n
			other.Name = "o"
			return []stacksync.Proposal{n, next(n, as("m")), other}
		}, stacksync.ErrVersionConflict, []string{"n", "o"}, []string{"m"}},
		{"delete and restore", func(tr tree) []stacksync.Proposal {
			del := deletion(tr.a)
			back := tr.a
			back.Version = 3
			return []stacksync.Proposal{del, back}
		}, nil, nil, []string{"docs/a"}},
		{"one bad entry harms nobody", func(tr tree) []stacksync.Proposal {
			return []stacksync.Proposal{tr.folder(root, "n"), tr.folder(root, "m"), tr.folder(root, "a/b")}
		}, stacksync.ErrName, nil, []string{"n", "m"}},
	}
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		house := newWorld(t, open(t))
		for i, row := range rows {
			t.Run(row.name+"/one commit", func(t *testing.T) {
				w := house.guest(t, 2*i)
				tr := newTree(w)
				outcomes := w.commit(row.batch(tr)...)
				require.ErrorIs(t, outcomes[len(outcomes)-1].Err, row.err)
				w.requirePaths(row.gone, row.there)
			})
			t.Run(row.name+"/gathered", func(t *testing.T) {
				w := house.guest(t, 2*i+1)
				tr := newTree(w)
				var requests []stacksync.CommitRequest
				for _, p := range row.batch(tr) {
					requests = append(requests, stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: []stacksync.Proposal{p}})
				}
				results, errs := w.svc.CommitTogether(t.Context(), requests)
				for _, err := range errs {
					require.NoError(t, err)
				}
				require.ErrorIs(t, results[len(results)-1].Outcomes[0].Err, row.err)
				w.requirePaths(row.gone, row.there)
			})
		}
	})
}

// requirePaths wants some paths to be gone and others to be there, and all else to be in order.
func (w *world) requirePaths(gone, there []string) {
	w.Helper()
	for _, path := range gone {
		_, err := w.svc.GetItemByPath(w.Context(), stacksync.GetItemByPathRequest{Actor: w.actor, Workspace: w.ws, Path: path})
		require.ErrorIs(w, err, stacksync.ErrItemNotFound, path)
	}
	for _, path := range there {
		_, err := w.svc.GetItemByPath(w.Context(), stacksync.GetItemByPathRequest{Actor: w.actor, Workspace: w.ws, Path: path})
		require.NoError(w, err, path)
	}
	s := w.snapshot()
	require.Equal(w, s.charged(), s.Used)
	requireTree(w, s)
}

// requireTree wants every live item to lie in a live folder, up to the root.
func requireTree(t testing.TB, s snapshot) {
	t.Helper()
	live := map[stacksync.ItemID]stacksync.Item{}
	for _, it := range s.Items {
		if !it.Deleted {
			live[it.ID] = it
		}
	}
	for _, it := range live {
		steps := 0
		for at := it; !at.Parent.IsZero(); at = live[at.Parent] {
			parent, ok := live[at.Parent]
			require.True(t, ok, "%s lies in a folder that is not there", at.Name)
			require.Equal(t, stacksync.Folder, parent.Kind)
			if steps++; steps > len(live) {
				t.Fatalf("%s lies below itself", it.Name)
			}
		}
	}
}

// An atomic commit that fails leaves nothing behind, also for those that were gathered with it.
func TestAtomicTakesBack(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		tr := newTree(w)
		n := w.folder(stacksync.ItemID{}, "n")
		renamed := next(tr.a, func(p *stacksync.Proposal) { p.Name = "z" })
		upload := w.file(tr.docs.Item, "u", "fresh")
		failing := stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Atomic: true, Proposals: []stacksync.Proposal{
			n, next(n, func(p *stacksync.Proposal) { p.Name = "m" }), renamed, upload, deletion(tr.sub), deletion(tr.gone), w.folder(stacksync.ItemID{}, "."),
		}}
		before := w.snapshot()
		results, errs := w.svc.CommitTogether(t.Context(), []stacksync.CommitRequest{failing})
		require.NoError(t, errs[0])
		require.Equal(t, before, w.snapshot())
		for i, want := range []error{stacksync.ErrAborted, stacksync.ErrAborted, stacksync.ErrAborted, stacksync.ErrAborted, stacksync.ErrAborted, nil, stacksync.ErrName} {
			require.ErrorIs(t, results[0].Outcomes[i].Err, want, "outcome %d", i)
		}
		require.Equal(t, stacksync.AlreadyCommitted, results[0].Outcomes[5].Result)

		// Its neighbours see nothing of it: not its items, names, versions, chunks, nor its charge.
		var neighbours []stacksync.CommitRequest
		for _, p := range []stacksync.Proposal{
			next(n, func(*stacksync.Proposal) {}),                    // unknown, as n was never made
			w.folder(tr.docs.Item, "z"),                              // free, as a was never renamed
			next(tr.a, func(p *stacksync.Proposal) { p.Name = "y" }), // still the next version
			{Item: w.id(), Version: 1, Parent: tr.sub.Item, Name: "in sub", Kind: stacksync.Folder},
			w.folder(stacksync.ItemID{}, "n"),
		} {
			neighbours = append(neighbours, stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: []stacksync.Proposal{p}})
		}
		results, errs = w.svc.CommitTogether(t.Context(), append([]stacksync.CommitRequest{failing}, neighbours...))
		for i, want := range []error{stacksync.ErrUnknownItem, nil, nil, nil, nil} {
			require.NoError(t, errs[i+1])
			require.ErrorIs(t, results[i+1].Outcomes[0].Err, want, "neighbour %d", i)
		}
		after := w.snapshot()
		require.Equal(t, before.Revision+4, after.Revision, "revisions stay dense")
		require.Equal(t, after.charged(), after.Used)
		require.Equal(t, before.Used, after.Used)

		// Good, it is saved whole.
		failing.Proposals = failing.Proposals[:1]
		failing.Proposals[0].Name = "whole"
		results, errs = w.svc.CommitTogether(t.Context(), []stacksync.CommitRequest{failing})
		require.NoError(t, errs[0])
		require.Equal(t, stacksync.Committed, results[0].Outcomes[0].Result)
	})
}
