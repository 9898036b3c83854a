package stacksync_test

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
