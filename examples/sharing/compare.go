package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/internal/story"
)

// fetchAnew gives every user one more device, that fetches everything from the service: what that has is compared with the others too.
func (s *show) fetchAnew(ctx context.Context) error {
	for _, user := range users {
		c, err := s.newClient(ctx, user, string(user)+"'s new device")
		if err != nil {
			return err
		}
		s.fresh = append(s.fresh, c)
		list, err := s.server.ListWorkspaces(ctx, stacksync.ListWorkspacesRequest{Actor: c.actor})
		if err != nil {
			return err
		}
		if err := c.arrange(ctx, list); err != nil {
			return err
		}
		if err := s.settle(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// compareGardens compares the shared folder on all devices that have it, whatever they call it.
func (s *show) compareGardens(clients ...*client) (files int, err error) {
	var first story.Tree
	for _, c := range clients {
		f := c.garden()
		t, err := story.Read(f.dir)
		if err != nil {
			return 0, err
		}
		if first == nil {
			first = t
		}
		if found := story.Differences(first, t, clients[0].name, c.name); len(found) > 0 {
			return 0, fmt.Errorf("the shared folder differs in %d places, the first: %s", len(found), found[0])
		}
	}
	files, _ = first.Files()
	return files, nil
}

// compare compares all that the devices of each user have, file by file. It syncs nothing.
func (s *show) compare() error {
	var bytes int64
	var have, differ []string
	for _, user := range users {
		var first *client
		var all story.Tree
		for _, c := range slices.Concat(s.of(user), s.freshOf(user)) {
			t, err := c.tree()
			if err != nil {
				return err
			}
			if first == nil {
				first, all = c, t
				n, b := t.Files()
				bytes += b
				have = append(have, fmt.Sprintf("%s %d", user, n))
				continue
			}
			differ = append(differ, story.Differences(all, t, first.name, c.name)...)
		}
	}
	for _, d := range differ {
		s.out.Line("different", "%s", d)
	}
	if len(differ) > 0 {
		return fmt.Errorf("the trees differ in %d places", len(differ))
	}
	s.out.Line("equal", "on all devices of each user, and on a new one (files: %s; %s in all)", strings.Join(have, ", "), story.Size(bytes))
	return nil
}

func (s *show) freshOf(user stacksync.UserID) []*client {
	return slices.DeleteFunc(slices.Clone(s.fresh), func(c *client) bool { return c.actor.User != user })
}
