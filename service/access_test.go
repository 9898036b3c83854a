package service_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// No id reaches into another workspace: the same item id there is another item, and a parent there is no parent here.
func TestWorkspacesShareNoItems(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		tr := newTree(w)
		before := w.snapshot()
		bob, bobs := w.join("bob")
		commit := func(p stacksync.Proposal) stacksync.Outcome {
			res, err := w.svc.Commit(t.Context(), stacksync.CommitRequest{Actor: bob, Workspace: bobs, Proposals: []stacksync.Proposal{p}})
			require.NoError(t, err)
			return res.Outcomes[0]
		}
		require.ErrorIs(t, commit(w.folder(tr.docs.Item, "n")).Err, stacksync.ErrParentNotFound)
		require.ErrorIs(t, commit(deletion(tr.docs)).Err, stacksync.ErrUnknownItem)
		require.ErrorIs(t, commit(next(tr.docs, func(*stacksync.Proposal) {})).Err, stacksync.ErrUnknownItem)
		require.ErrorIs(t, commit(w.file(stacksync.ItemID{}, "f", "ada's content")).Err, stacksync.ErrChunksMissing)
		same := tr.docs
		same.Name = "bob's own"
		require.NoError(t, commit(same).Err)
		require.Equal(t, before, w.snapshot())
	})
}
