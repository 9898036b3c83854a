package service_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
)

// same wants the error that the model has foretold. Where several are right, it may be any of these.
func (c *community) same(what string, got error, want ...error) {
	c.acted = what
	if !slices.ContainsFunc(want, func(want error) bool { return matches(got, want) }) {
		c.Fatalf("%s: %v, want %v", what, got, want)
	}
	if got == nil {
		name, _, _ := strings.Cut(what, " ")
		c.reached[name]++
	}
}

// errField stands for a *stacksync.FieldError that is nothing more specific.
var errField = errors.New("a wrong field")

func matches(err, want error) bool {
	if errors.Is(want, errField) {
		var field *stacksync.FieldError
		return errors.As(err, &field) && field.Err == nil
	}
	return errors.Is(err, want)
}

// check wants everybody to see what the model has. The next call goes to another process.
func (c *community) check() {
	c.model.turn++
	c.svc = c.each[c.model.turn%len(c.each)]
	for n, u := range c.users {
		w := c.arena.at(c.devices[n][c.model.turn%2], c.model.home[u])
		if used, want := w.used(u), c.model.used(u); used != want {
			c.Fatalf("after %s: %d bytes are charged to %s, want %d", c.acted, used, u, want)
		}
		var got, want []string
		list := w.list()
		for _, m := range append(list.Workspaces, list.Invitations...) {
			of := m.Member
			got = append(got, fmt.Sprintf("%v of %s: %v, pending %v, %q in %v", m.ID, m.Owner, of.Role, of.Pending, of.MountName, of.MountParent))
			got = append(got, fmt.Sprintf("%v encrypted %v, %d: %q of %d", m.ID, m.Encrypted, m.Workspace.KeyGeneration, of.SealedKey, of.KeyGeneration))
		}
		for _, s := range c.model.list() {
			if m := s.members[u]; m != nil {
				want = append(want, fmt.Sprintf("%v of %s: %v, pending %v, %q in %v", s.id, s.owner, m.role, m.pending, m.name, m.parent), s.keyOf(m))
			}
		}
		c.equal("memberships of "+string(u), got, want)
	}
	n := c.model.turn % len(c.users)
	c.checkMembers(c.devices[n][0])
	c.checkOperations(stacksync.ListOperationsRequest{Actor: c.devices[n][0]})
	for _, s := range c.model.list() {
		tree := (&spaceModel{items: map[stacksync.ItemID]itemModel{}})
		for _, page := range c.arena.at(c.devices[slices.Index(c.users, s.owner)][0], s.id).pages("", 5) {
			for _, it := range page.Items {
				tree.items[it.ID] = itemModel{version: it.Version, parent: it.Parent, name: it.Name, kind: it.Kind, size: it.Size}
			}
		}
		c.equal(fmt.Sprint("tree of ", s.id), tree.paths(), s.paths())
	}
}

// checkMembers wants somebody to see who is in what, and no key, not even the own one.
func (c *community) checkMembers(actor stacksync.Actor) {
	for _, s := range c.model.list() {
		if s.folder.IsZero() {
			continue
		}
		res, err := c.svc.ListMembers(c.arena.Context(), stacksync.ListMembersRequest{Actor: actor, Workspace: s.id})
		if _, want := c.model.may(actor.User, s.id, stacksync.Viewer); !matches(err, want) {
			c.Fatalf("after %s: list of members: %v, want %v", c.acted, err, want)
		}
		var got, want []string
		for i := range res.Members {
			got = append(got, memberLine(&res.Members[i]))
		}
		for u := range s.members {
			if err == nil {
				want = append(want, s.shows(u, actor.User))
			}
		}
		c.equal(fmt.Sprintf("members of %v, as %s sees them,", s.id, actor.User), got, want)
	}
}

// shows is a member as others see it, and more for the member itself.
func (s *spaceModel) shows(u, to stacksync.UserID) string {
	m := stacksync.Member{User: u, Role: s.members[u].role, Pending: s.members[u].pending, KeyGeneration: s.members[u].generation}
	if u == to {
		m.MountName, m.MountParent = s.members[u].name, s.members[u].parent
	}
	return memberLine(&m)
}

func memberLine(m *stacksync.Member) string {
	return fmt.Sprintf("%s: %v, pending %v, %q in %v, key %q of %d", m.User, m.Role, m.Pending, m.MountName, m.MountParent, m.SealedKey, m.KeyGeneration)
}

func (c *community) equal(what string, got, want []string) {
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.Fatalf("after %s: %s is\n%s\nwant\n%s", c.acted, what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
