package service_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// hand is a device that works on items of its own in and about a folder that moves between workspaces, and knows what of it was acknowledged.
type hand struct {
	*world
	name   string
	random *rand.Rand
	folder stacksync.ItemID      // in the default workspace; the root of the shared one
	home   stacksync.WorkspaceID // the default workspace
	from   stacksync.WorkspaceID // the one that the folder leaves
	items  []*held
	made   int
}

// held is what a hand knows of an item.
type held struct {
	stacksync.Proposal                       // the last one that was acknowledged; Parent is the folder also where that is the root
	at                 stacksync.WorkspaceID // where it was, as far as the hand knows
	said               []string              // the marks of all acknowledged versions
	deleted            bool
	swept              bool // a folder above it was deleted: it is gone too, unless it had moved to the other workspace before
}

func (a *arena) hand(name string, w *world, folder stacksync.ItemID) *hand {
	h := &hand{world: w.at(a.device(w.actor.User), w.ws), name: name, random: rand.New(rand.NewPCG(uint64(a.run), uint64(name[0]))), folder: folder, home: a.ada.ws, from: w.ws}
	h.TB = a
	return h
}

func (h *hand) mark() map[string]string {
	h.made++
	return map[string]string{"mark": fmt.Sprint(h.name, h.made)}
}

// pick returns a random live item of a kind; nil if there is none.
func (h *hand) pick(kind stacksync.Kind) *held {
	live := slices.DeleteFunc(slices.Clone(h.items), func(it *held) bool { return it.deleted || it.swept || it.Kind != kind })
	if len(live) == 0 {
		return nil
	}
	return live[h.random.IntN(len(live))]
}

func (h *hand) somewhere() (stacksync.ItemID, stacksync.WorkspaceID) {
	if folder := h.pick(stacksync.Folder); folder != nil && h.random.IntN(2) == 0 {
		return folder.Item, folder.at
	}
	return h.folder, h.ws
}

// step does something random. What is refused because the folder moves is tried elsewhere later.
func (h *hand) step() {
	var it *held
	p := stacksync.Proposal{Item: newID(), Version: 1, Kind: stacksync.File, Attrs: h.mark()}
	p.Name = p.Attrs["mark"]
	var at stacksync.WorkspaceID
	switch n := h.random.IntN(10); {
	case n < 3:
		p.Parent, at = h.somewhere()
		p.Size, p.Chunks = 3, []stacksync.Chunk{chunkOf("xyz")}
	case n < 5:
		p.Parent, at = h.somewhere()
		p.Kind = stacksync.Folder
	default:
		kind := stacksync.File
		if n > 7 {
			kind = stacksync.Folder
		}
		if it = h.pick(kind); it == nil {
			return
		}
		at = it.at
		mark := p.Attrs
		p = next(it.Proposal, func(p *stacksync.Proposal) { p.Attrs = mark })
		switch h.random.IntN(4) {
		case 0:
			p.Name = mark["mark"]
		case 1:
			p.Parent, _ = h.somewhere()
			if kind == stacksync.Folder && p.Parent != h.folder {
				p.Parent = h.folder // else it might lie below itself
			}
		case 2:
			if at == h.home {
				p.Parent = stacksync.ItemID{} // out of the folder
			}
		case 3:
			p = deletion(it.Proposal)
		}
	}
	h.send(it, p, at)
}

func (h *hand) send(it *held, p stacksync.Proposal, at stacksync.WorkspaceID) {
	sent := p
	if at != h.home && p.Parent == h.folder {
		sent.Parent = stacksync.ItemID{}
	}
	res, err := h.svc.Commit(h.Context(), stacksync.CommitRequest{Actor: h.actor, Workspace: at, Proposals: []stacksync.Proposal{sent}})
	var o stacksync.Outcome
	if err == nil {
		o = res.Outcomes[0]
		err = o.Err
	}
	var moved *stacksync.MovedError
	switch {
	case err == nil:
		h.acknowledged(it, p, at)
	case errors.As(err, &moved):
		if it != nil && moved.Item == it.Item {
			it.at = moved.To
		}
		if at == h.home == (h.ws == h.home) {
			h.ws = moved.To
		}
		if folder := h.held(moved.Item); folder != nil {
			folder.at = moved.To
		}
	case errors.Is(err, stacksync.ErrWorkspaceNotFound): // not a member yet, or it has ended
		if h.ws == at && !slices.Contains(h.mounts(), at) && at != h.home && h.gone(at) {
			h.ws = h.home
		}
		if it != nil && h.gone(at) {
			it.at = h.home
		}
		time.Sleep(time.Millisecond)
	case errors.Is(err, stacksync.ErrVersionConflict):
		require.NotNil(h, it, "%v", err)
		it.Version = o.Item.Version // a folder that has come over twice
	default:
		oneOf(h, err, stacksync.ErrBusy, stacksync.ErrParentDeleted, stacksync.ErrParentNotFound, stacksync.ErrAlreadyDeleted, stacksync.ErrUnknownItem)
	}
}

// gone reports whether a workspace has ended.
func (h *hand) gone(ws stacksync.WorkspaceID) bool {
	return len(h.rows(stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: ws}}}).Workspaces) == 0
}

func (h *hand) held(id stacksync.ItemID) *held {
	for _, it := range h.items {
		if it.Item == id {
			return it
		}
	}
	return nil
}

func (h *hand) acknowledged(it *held, p stacksync.Proposal, at stacksync.WorkspaceID) {
	if p.Delete {
		it.deleted = true
		h.sweep(it.Item)
		return
	}
	if it == nil {
		it = &held{}
		h.items = append(h.items, it)
	}
	it.Proposal, it.at, it.said = p, at, append(it.said, p.Attrs["mark"])
}

func (h *hand) sweep(folder stacksync.ItemID) {
	for _, it := range h.items {
		if it.Parent == folder && !it.swept {
			it.swept = true
			h.sweep(it.Item)
		}
	}
}

// requireKept wants each item as it was acknowledged last, in exactly one workspace, with all its versions.
func (h *hand) requireKept(a *arena) {
	e := a.estate()
	for _, it := range h.items {
		var lives []stacksync.ItemRow
		for _, rows := range e.items {
			if row, ok := rows[it.Item]; ok && !row.Deleted {
				lives = append(lives, row)
			}
		}
		switch {
		case it.deleted && it.Kind == stacksync.File:
			require.Empty(a, lives, "%s is deleted", it.Name)
			continue
		case (it.deleted || it.swept) && (len(lives) == 0 || it.Kind == stacksync.Folder):
			for _, row := range lives { // what had moved before is still there, with the folders it lies in, as they were then
				before := it.swept && (h.gone(h.from) || !e.items[h.from][it.Item].MovedTo.IsZero())
				require.True(a, before || e.filled(row), "folder %s was deleted, and is there, empty", it.Name)
			}
			continue
		case it.Kind == stacksync.Folder:
			require.NotEmpty(a, lives, "folder %s is lost", it.Name)
		default:
			require.Len(a, lives, 1, "%s is acknowledged as %s", it.Name, it.said)
		}
		if !slices.ContainsFunc(lives, func(row stacksync.ItemRow) bool { return row.Name == it.Name && row.Attrs["mark"] == it.Attrs["mark"] }) {
			require.Fail(a, "an acknowledged version is lost", "%s is acknowledged as %s, and lives as %+v", it.Name, it.said, lives)
		}
		if it.Kind == stacksync.Folder {
			continue // parts of its history may be in either workspace
		}
		var marks []string
		res, err := h.svc.ListVersions(a.Context(), stacksync.ListVersionsRequest{Actor: a.ada.actor, Workspace: lives[0].Workspace, Item: it.Item})
		require.NoError(a, err)
		for _, v := range res.Items {
			marks = append(marks, v.Attrs["mark"])
		}
		require.Subset(a, marks, it.said, "the history of %s", it.Name)
	}
}

// filled reports whether something live lies in a folder.
func (e estate) filled(folder stacksync.ItemRow) bool {
	for _, row := range e.items[folder.Workspace] {
		if !row.Deleted && row.Parent == folder.ID {
			return true
		}
	}
	return false
}

const handSteps = 25

func (h *hand) work() error {
	for range handSteps {
		h.step()
	}
	return nil
}

// What devices commit to a folder while it is shared, in it, out of it and into it, is never lost: each item is afterwards in exactly one of
// the workspaces, as it was acknowledged last, or was deleted.
func TestRaceShareAndCommits(t *testing.T) {
	t.Parallel()
	onRaces(t, func(a *arena) {
		s := a.ada.shelf()
		a.ada.upload("xyz")
		var hands []*hand
		for _, name := range []string{"one", "two", "three"} {
			h := a.hand(name, a.ada, s.folder.Item)
			for range 5 {
				h.step() // something is there before
			}
			hands = append(hands, h)
		}
		reader := &follower{actor: a.ada.actor, tree: map[stacksync.ItemID]stacksync.Item{}}
		done := make(chan struct{})
		errs := a.meet(
			func() error {
				defer close(done)
				_, err := a.ada.shareErr(s.folder.Item, a.invitees("bob")...)
				return err
			},
			hands[0].work, hands[1].work, hands[2].work,
			func() error {
				for over := false; !over; {
					select {
					case <-done:
						over = true
					case <-time.After(2 * time.Millisecond):
					}
					for _, page := range a.ada.pages(reader.cursor, 3) {
						require.Empty(a, reader.apply(page))
					}
				}
				return nil
			},
		)
		require.Equal(a, len(errs), succeeded(errs), "%v", errs)
		for _, h := range hands {
			h.requireKept(a)
		}
		shared := a.bob.at(a.bob.actor, a.bob.mounts()[0])
		require.Subset(a, shared.tree(), shelfTree, "and everybody can read it")
		a.ada.tree()
	})
}

// What devices of the owner commit while a folder returns is never lost either.
func TestRaceReturnAndCommits(t *testing.T) {
	t.Parallel()
	onRaces(t, func(a *arena) {
		s, ada, bob := a.pair("bob")
		ada.upload("xyz")
		var hands []*hand
		for _, name := range []string{"one", "two", "three"} {
			h := a.hand(name, ada, s.folder.Item)
			for range 5 {
				h.step()
			}
			hands = append(hands, h)
		}
		errs := a.meet(bob.leave, hands[0].work, hands[1].work, hands[2].work)
		require.Equal(a, len(errs), succeeded(errs), "%v", errs)
		for _, h := range hands {
			h.requireKept(a)
		}
		require.Subset(a, a.ada.tree(), joined(beside, in("docs", shelfTree)))
		require.Empty(a, a.ada.mounts())
	})
}
