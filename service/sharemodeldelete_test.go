package service_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/stacksync/stacksync-go"
)

// delete removes a user with what the user owns, but what others get. It returns what is wrong, if anything: each is a right answer.
func (m *estateModel) delete(r stacksync.DeleteUserRequest) (wrong []error) {
	gets := map[stacksync.UserID]int64{}
	for ws, to := range r.Transfer {
		switch s := m.spaces[ws]; {
		case s == nil || s.owner != r.User || s.folder.IsZero():
			wrong = append(wrong, errField)
		case to == r.User || s.members[to] == nil || s.members[to].pending:
			wrong = append(wrong, stacksync.ErrMemberNotFound)
		default:
			gets[to] += s.size()
		}
	}
	for to, bytes := range gets {
		if !m.fits(to, bytes) {
			wrong = append(wrong, stacksync.ErrQuotaExceeded)
		}
	}
	if len(m.undecided(r)) > 0 {
		wrong = append(wrong, stacksync.ErrSharedWorkspaces)
	}
	if len(wrong) > 0 {
		return wrong
	}
	for ws, to := range r.Transfer {
		m.spaces[ws].giveTo(to)
	}
	m.record(stacksync.OperationDelete, r.User, m.home[r.User], stacksync.WorkspaceID{})
	maps.DeleteFunc(m.spaces, func(_ stacksync.WorkspaceID, s *spaceModel) bool { return s.owner == r.User })
	for _, s := range m.list() {
		if s.members[r.User] != nil {
			m.takeOut(s, r.User)
		}
	}
	for i := range m.operations {
		o := &m.operations[i]
		o.orphan = o.orphan || o.user == r.User
	}
	return nil
}

// undecided are the workspaces of which has to be said who gets them.
func (m *estateModel) undecided(r stacksync.DeleteUserRequest) (ids []string) {
	for _, s := range m.spaces {
		if _, named := r.Transfer[s.id]; s.owner == r.User && s.others() > 0 && !named && !r.DeleteShared {
			ids = append(ids, s.id.String())
		}
	}
	return ids
}

// foreseeable reports whether what comes of a deletion is no matter of chance: folders that return to one user do so at the same time, and
// which of them gets a number can't be told where their names are alike.
func (m *estateModel) foreseeable(r stacksync.DeleteUserRequest) bool {
	type place struct {
		owner stacksync.UserID
		begin byte
	}
	returned := map[place]bool{}
	for _, s := range m.spaces {
		owner := s.owner
		if to, named := r.Transfer[s.id]; named {
			owner = to
		}
		if !m.keepIDs(s, owner) {
			return false
		}
		if s.members[r.User] == nil || s.others() != 1 || s.generation > 0 || owner == r.User || s.members[owner] == nil {
			continue
		}
		at := place{owner, s.members[owner].name[0]}
		if returned[at] {
			return false
		}
		returned[at] = true
	}
	return true
}

func (c *community) delete() {
	r := stacksync.DeleteUserRequest{User: c.user(), Transfer: map[stacksync.WorkspaceID]stacksync.UserID{}}
	r.DeleteShared = rapid.Bool().Draw(c.T, "delete shared")
	if rapid.Bool().Draw(c.T, "who has shared") {
		r.User = c.space().owner
	}
	mistaken := rapid.IntRange(0, 9).Draw(c.T, "mistaken") == 9
	for _, s := range c.model.list() {
		theirs := s.owner == r.User && !s.folder.IsZero()
		if (theirs || mistaken) && rapid.IntRange(0, 2).Draw(c.T, "hand over") > 0 {
			to := slices.Clone(c.users)
			for u, m := range s.members {
				if u != r.User && !m.pending {
					to = append(to, u, u, u)
				}
			}
			slices.Sort(to)
			r.Transfer[s.id] = rapid.SampledFrom(to).Draw(c.T, "to")
		}
	}
	if !c.model.foreseeable(r) {
		return
	}
	undecided := c.model.undecided(r)
	_, err := c.svc.DeleteUser(c.arena.Context(), r)
	what, want := "delete", c.model.delete(r)
	if len(r.Transfer) > 0 {
		what = "hand-over"
	}
	if len(want) == 0 {
		want = []error{nil}
	}
	c.same(fmt.Sprintf("%s %+v", what, r), err, want...)
	var shared *stacksync.SharedWorkspacesError
	if errors.As(err, &shared) {
		var named []string
		for _, id := range shared.Workspaces {
			named = append(named, id.String())
		}
		c.equal("what has to be decided", named, undecided)
	}
	if err == nil {
		c.settle(slices.Index(c.users, r.User), c.model.limit[r.User])
	}
}
