package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/internal/story"
)

// tell tells the story up to its end, where all devices are to have the same.
func (s *show) tell(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		s.prepare, s.firstSync, s.share, s.viewer, s.everybodyWrites, s.rename, s.revoke, s.transfer, s.inviteAgain, s.leave, s.unshare, s.end,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// firstSync: everybody has files of their own.
func (s *show) firstSync(ctx context.Context) error {
	if err := s.plant(); err != nil {
		return err
	}
	start := time.Now()
	if err := s.settle(ctx, s.clients...); err != nil {
		return err
	}
	t, err := s.adaDesktop.tree()
	if err != nil {
		return err
	}
	n, bytes := t.Files()
	s.out.Line("first sync", "each device keeps its user's workspace in a folder %q: ada's two have %d files, %s, after %s", homeName, n, story.Size(bytes), story.Took(start))
	return nil
}

// share: a folder of Ada's becomes a workspace of its own, with three members.
func (s *show) share(ctx context.Context) error {
	// One device has a change that nobody knows of.
	if err := s.adaDesktop.home.edit("garden/plan.txt", "and pumpkins"); err != nil {
		return err
	}
	home := s.adaLaptop.home.mount.ID
	folder, err := s.server.GetItemByPath(ctx, stacksync.GetItemByPathRequest{Actor: s.adaLaptop.actor, Workspace: home, Path: "garden"})
	if err != nil {
		return err
	}
	start := time.Now()
	res, err := s.server.ShareFolder(ctx, stacksync.ShareFolderRequest{
		Actor: s.adaLaptop.actor, Workspace: home, Folder: folder.Item.ID,
		Invite: []stacksync.Invitee{{User: bob, Role: stacksync.Editor}, {User: eve, Role: stacksync.Viewer}},
	})
	if err != nil {
		return err
	}
	shared := story.Took(start)
	s.garden = res.Workspace.ID
	if err := s.appears(ctx, s.clients...); err != nil {
		return err
	}
	s.out.Line("share", `ada shares "garden" with bob, an editor, and eve, a viewer, in %s; all five devices show it beside %q after %s`, shared, homeName, story.Took(start))
	mine, err := s.total(ctx, s.of(ada)...)
	if err != nil {
		return err
	}
	theirs, err := s.total(ctx, s.of(bob, eve)...)
	if err != nil {
		return err
	}
	if len(mine.Conflicts) != 1 {
		return fmt.Errorf("%d conflicted copies, not 1", len(mine.Conflicts))
	}
	if s.adaLaptop.home.has("garden") {
		return errors.New("the folder is still where it was")
	}
	own := s.bobLaptop.garden().mount.Member.MountName
	s.out.Line("", `ada's devices moved the files they had, and fetched %s (plan.txt, changed on one of them); those of bob and eve fetched %s`, story.Size(mine.BytesDownloaded), story.Size(theirs.BytesDownloaded))
	s.out.Line("", `bob has a "garden" at home already, so his is called %q; what ada's desktop had not sent yet is kept as %q`, own, mine.Conflicts[0])
	return s.settle(ctx, s.clients...)
}

// viewer: who may only read keeps own changes, until the role allows to send them.
func (s *show) viewer(ctx context.Context) error {
	const file, others = "todo.txt", "beds/west.txt"
	if err := errors.Join(s.eveTablet.garden().edit(file, "water"), s.adaLaptop.garden().write(others, "evening sun\n")); err != nil {
		return err
	}
	if err := s.settle(ctx, s.adaLaptop); err != nil {
		return err
	}
	_, err := s.eveTablet.garden().Sync(ctx)
	if err := refused("a viewer writes", err, stacksync.ErrRole); err != nil {
		return err
	}
	if !s.eveTablet.garden().has(others) {
		return fmt.Errorf("a viewer did not get %s", others)
	}
	s.out.Line("viewer", "eve edits %s: %q; her change stays on the tablet, which gets those of the others all the same", file, err)
	_, err = s.server.SetRole(ctx, stacksync.SetRoleRequest{Actor: s.adaLaptop.actor, Workspace: s.garden, User: eve, Role: stacksync.Editor})
	if err != nil {
		return err
	}
	if err := s.eveTablet.await(ctx, func() bool { return s.eveTablet.garden().mount.Member.Role == stacksync.Editor }); err != nil {
		return err
	}
	sent, err := s.eveTablet.sync(ctx)
	if err != nil {
		return err
	}
	if err := s.settle(ctx, s.clients...); err != nil {
		return err
	}
	s.out.Line("editor", "ada makes her an editor; her tablet hears of it, and commits what was waiting: %d", sent.Committed)
	return nil
}

// everybodyWrites: all five devices edit a file and make one, and two of them edit the same.
func (s *show) everybodyWrites(ctx context.Context) error {
	files := []string{"plan.txt", "beds/north.txt", "beds/south.txt", "beds/east.txt", "beds/east.txt"}
	for i, c := range s.clients {
		f := c.garden()
		if err := errors.Join(f.edit(files[i], "edited on "+c.name), f.write("notes/from "+c.name+".txt", "hello\n")); err != nil {
			return err
		}
	}
	start := time.Now()
	r, err := s.total(ctx, s.clients...)
	if err != nil {
		return err
	}
	if err := s.settle(ctx, s.clients...); err != nil {
		return err
	}
	n, err := s.compareGardens(s.clients...)
	if err != nil {
		return err
	}
	s.out.Line("all write", "each device edits a file and makes one, two edit the same: all five have the same %d files after %s, with %d conflicted copy",
		n, story.Took(start), len(r.Conflicts))
	return nil
}

// rename: the name of a shared folder is each user's own affair.
func (s *show) rename(ctx context.Context) error {
	const name = "ada's garden"
	_, err := s.server.UpdateMount(ctx, stacksync.UpdateMountRequest{Actor: s.eveTablet.actor, Workspace: s.garden, Name: name})
	if err != nil {
		return err
	}
	if err := s.eveTablet.await(ctx, func() bool { return s.eveTablet.garden().mount.Member.MountName == name }); err != nil {
		return err
	}
	r, err := s.eveTablet.sync(ctx)
	if err != nil {
		return err
	}
	s.out.Line("rename", "eve calls it %q: her tablet renames the folder, and fetches %s; for the others nothing changes", name, story.Size(r.BytesDownloaded))
	return nil
}

// end: everybody is told everything.
func (s *show) end(ctx context.Context) error {
	if err := s.settle(ctx, s.clients...); err != nil {
		return err
	}
	return s.fetchAnew(ctx)
}
