package service_test

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/stacksync/stacksync-go"
)

// invitable returns what the error of an invitation must be.
func (m *estateModel) invitable(r stacksync.InviteRequest) error {
	s, err := m.may(r.User, r.Workspace, stacksync.Owner)
	switch {
	case err != nil:
		return err
	case s.folder.IsZero():
		return stacksync.ErrNotShared
	case r.KeyGeneration != s.generation || !s.handedOut():
		return stacksync.ErrKeyGeneration
	}
	for _, v := range r.Invite {
		if was := s.members[v.User]; (was == nil || was.pending) && (v.SealedKey != "") != (s.generation > 0) {
			return errField
		}
	}
	return nil
}

// handedOut reports whether anybody has the present key.
func (s *spaceModel) handedOut() bool {
	for _, m := range s.members {
		if m.generation == s.generation {
			return true
		}
	}
	return false
}

// setKeys gives all members, invited ones too, another key.
func (m *estateModel) setKeys(r stacksync.SetKeysRequest) error {
	s, err := m.may(r.User, r.Workspace, stacksync.Editor)
	if err != nil {
		return err
	}
	first := r.Generation == s.generation && !s.handedOut()
	if s.generation == 0 || !first && r.Generation != s.generation+1 {
		return stacksync.ErrKeyGeneration
	}
	for u := range s.members {
		if r.Keys[u] == "" {
			return errField
		}
	}
	s.generation = r.Generation
	for u, member := range s.members {
		member.key, member.generation = r.Keys[u], r.Generation
	}
	return nil
}

// keyOf is what a member reads about the key. An invitation shows none of it.
func (s *spaceModel) keyOf(m *memberModel) string {
	generation, key, of := s.generation, m.key, m.generation
	if m.pending {
		generation, key, of = 0, "", 0
	}
	return fmt.Sprintf("%v encrypted %v, %d: %q of %d", s.id, s.generation > 0, generation, key, of)
}

// key is one that nobody else has.
func (c *community) key() string {
	c.keys++
	return fmt.Sprint("sealed key ", c.keys)
}

// generation is the present one of a workspace's key, as a rule.
func (c *community) generation(s *spaceModel) int64 {
	wrong := 10
	if s.generation > 0 {
		wrong = 3
	}
	if rapid.IntRange(0, wrong).Draw(c.T, "another generation") < wrong {
		return s.generation
	}
	return s.generation + rapid.SampledFrom([]int64{-1, 1}).Draw(c.T, "by")
}

func (c *community) invite() {
	w, s := c.who()
	r := stacksync.InviteRequest{Actor: w.actor, Workspace: s.id, Invite: c.invitees(w.actor.User, s.generation > 0), KeyGeneration: c.generation(s)}
	want := c.model.invitable(r)
	res, err := c.svc.Invite(c.arena.Context(), r)
	c.same("invite", err, want)
	if err != nil {
		return
	}
	var got, now []string
	for _, v := range r.Invite {
		c.model.invite(s, v)
		now = append(now, s.shows(v.User, w.actor.User))
	}
	for i := range res.Members {
		got = append(got, memberLine(&res.Members[i]))
	}
	c.equal("who was invited", got, now)
}

// setKeys hands out a key, of an encrypted workspace rather.
func (c *community) setKeys() {
	s := c.space()
	for _, other := range c.model.list() {
		if s.generation == 0 && other.generation > 0 && rapid.IntRange(0, 3).Draw(c.T, "encrypted") > 0 {
			s = other
		}
	}
	r := stacksync.SetKeysRequest{Actor: c.member(s), Workspace: s.id, Keys: map[stacksync.UserID]string{}}
	r.Generation = s.generation + rapid.SampledFrom([]int64{1, 1, 0, 0, -1, 2}).Draw(c.T, "generation")
	for _, u := range c.users {
		if s.members[u] != nil || rapid.Bool().Draw(c.T, "a stranger too") {
			r.Keys[u] = c.key()
		}
	}
	if rapid.IntRange(0, 3).Draw(c.T, "one lacks") == 3 {
		delete(r.Keys, c.user())
	}
	_, err := c.svc.SetKeys(c.arena.Context(), r)
	c.same(fmt.Sprintf("keys %v of generation %d by %s", r.Keys, r.Generation, r.User), err, c.model.setKeys(r))
}

// end hands out a key of each encrypted workspace, and wants its members to have theirs, and nobody another one's.
func (c *community) end() {
	for _, s := range c.model.list() {
		r := stacksync.SetKeysRequest{Workspace: s.id, Generation: s.generation + 1, Keys: map[stacksync.UserID]string{}}
		r.User = s.owner
		for _, u := range c.users {
			r.Keys[u] = c.key()
		}
		if s.generation > 0 {
			_, err := c.svc.SetKeys(c.arena.Context(), r)
			c.same("keys at the end", err, c.model.setKeys(r))
		}
	}
	c.check()
	for _, devices := range c.devices {
		c.checkMembers(devices[0])
		c.checkOperations(stacksync.ListOperationsRequest{Actor: devices[0]})
	}
}
