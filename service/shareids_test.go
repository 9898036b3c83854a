package service_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// A member who gives an item of a shared folder the id of one that the owner has elsewhere can't reach that by it: when the folder returns, the
// owner's item is as it was, and nothing of the folder is lost.
func TestReturnSparesItemsOfTheSameID(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		for name, versions := range map[string]int{"older": 1, "newer": 3} {
			w := newWorld(t, open(t))
			bob, _ := w.join("bob")
			s := w.shelf()
			mine := w.file(stacksync.ItemID{}, "mine.txt", "ada's own")
			w.must(mine, next(mine, func(p *stacksync.Proposal) { p.Name = "my.txt" }))
			theirs := w.at(bob, w.share(s.folder.Item, stacksync.Invitee{User: "bob"}).Workspace.ID)
			p := theirs.file(stacksync.ItemID{}, "forged.txt", "by bob")
			p.Item = mine.Item
			for range versions {
				theirs.must(p)
				p = next(p, func(p *stacksync.Proposal) { p.Name += "!" })
			}
			require.NoError(t, theirs.leave())
			tree := w.tree()
			require.Equal(t, "ada's own", tree["my.txt"], name)
			contents := map[string]bool{}
			for _, content := range tree {
				contents[content] = true
			}
			require.True(t, contents["by bob"], "%s: what bob has made is lost: %v", name, tree)
		}
	})
}

// The same for folders, the folder's own id, and items that the owner has deleted, whose versions stay what they were.
func TestReturnSparesFoldersAndHistoryOfTheSameID(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		bob, _ := w.join("bob")
		s := w.shelf()
		private, old := w.folder(stacksync.ItemID{}, "private"), w.file(stacksync.ItemID{}, "old.txt", "ada's old")
		inner := w.file(private.Item, "inner.txt", "ada's inner")
		w.must(private, inner, old, deletion(old))
		theirs := w.at(bob, w.share(s.folder.Item, stacksync.Invitee{User: "bob"}).Workspace.ID)
		p, q, root := theirs.folder(stacksync.ItemID{}, "forged"), theirs.file(stacksync.ItemID{}, "again.txt", "by bob"), theirs.folder(stacksync.ItemID{}, "root")
		p.Item, q.Item, root.Item = private.Item, old.Item, s.folder.Item
		theirs.must(p, next(p, func(p *stacksync.Proposal) { p.Name = "forged again" }), q, next(q, func(p *stacksync.Proposal) { p.Name = "again 2.txt" }), root)
		theirs.must(theirs.file(p.Item, "deep.txt", "bob's deep"), theirs.file(root.Item, "in root.txt", "bob's too"))
		require.NoError(t, theirs.leave())
		tree := w.tree()
		require.Subset(t, tree, map[string]string{
			"private": "folder", "private/inner.txt": "ada's inner", "docs": "folder", "docs/forged again": "folder", "docs/forged again/deep.txt": "bob's deep",
			"docs/again 2.txt": "by bob", "docs/root/in root.txt": "bob's too",
		})
		require.NotContains(t, tree, "old.txt")
		versions, err := w.svc.ListVersions(t.Context(), stacksync.ListVersionsRequest{Actor: w.actor, Workspace: w.ws, Item: old.Item})
		require.NoError(t, err)
		require.Len(t, versions.Items, 2)
		for _, v := range versions.Items {
			require.Equal(t, "old.txt", v.Name)
		}
	})
}

// The id of a shared folder is its first owner's choice. One who comes to own it later has another folder in the end, whatever has that id there.
func TestReturnToAnotherOwnerSparesTheirItems(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		for _, kind := range []string{"folder", "file", "deleted file"} {
			w := newWorld(t, open(t))
			eve, evesHome := w.join("eve")
			private := w.folder(stacksync.ItemID{}, "private")
			plans := w.folder(private.Item, "plans")
			taken := private.Item
			w.must(private, plans)
			if kind != "folder" {
				f := w.file(stacksync.ItemID{}, "mine.txt", "ada's own")
				taken = f.Item
				w.must(f)
				if kind == "deleted file" {
					w.must(deletion(f))
				}
			}
			before := w.item(taken)
			eves := w.at(eve, evesHome)
			trap, below, evil := eves.folder(stacksync.ItemID{}, "trap"), eves.folder(stacksync.ItemID{}, "renamed"), eves.file(stacksync.ItemID{}, "evil.exe", "evil")
			trap.Item, below.Item, below.Parent, evil.Parent = taken, plans.Item, taken, taken
			eves.must(trap, below, evil)
			shared := w.at(eve, eves.share(trap.Item, stacksync.Invitee{User: "ada"}).Workspace.ID)
			_, err := w.svc.TransferOwnership(t.Context(), stacksync.TransferOwnershipRequest{Actor: eve, Workspace: shared.ws, To: "ada"})
			require.NoError(t, err)
			require.NoError(t, shared.leave())
			require.Equal(t, before, w.item(taken))
			tree := w.tree()
			require.Subset(t, tree, map[string]string{"private": "folder", "private/plans": "folder", "trap": "folder", "trap/renamed": "folder", "trap/evil.exe": "evil"}, kind)
			require.NotContains(t, tree, "private/evil.exe")
		}
	})
}
