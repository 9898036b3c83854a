package main

import (
	"context"
	"errors"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/internal/story"
)

// transfer: Eve gets the folder, and it is charged to her from now on.
func (s *show) transfer(ctx context.Context) error {
	_, err := s.server.TransferOwnership(ctx, stacksync.TransferOwnershipRequest{Actor: s.adaLaptop.actor, Workspace: s.garden, To: eve})
	if err != nil {
		return err
	}
	if err := s.eveTablet.await(ctx, func() bool { return s.eveTablet.garden().mount.Member.Role == stacksync.Owner }); err != nil {
		return err
	}
	adas, err := s.used(ctx, ada)
	if err != nil {
		return err
	}
	eves, err := s.used(ctx, eve)
	if err != nil {
		return err
	}
	s.out.Line("transfer", "ada makes eve the owner, and is an editor now: ada is charged %s, eve %s", story.Size(adas), story.Size(eves))
	return nil
}

// inviteAgain: Bob is a member again. That is the owner's to decide.
func (s *show) inviteAgain(ctx context.Context) error {
	invite := []stacksync.Invitee{{User: bob}}
	_, err := s.server.Invite(ctx, stacksync.InviteRequest{Actor: s.adaLaptop.actor, Workspace: s.garden, Invite: invite})
	if err := refused("an editor invites", err, stacksync.ErrRole); err != nil {
		return err
	}
	if _, err = s.server.Invite(ctx, stacksync.InviteRequest{Actor: s.eveTablet.actor, Workspace: s.garden, Invite: invite}); err != nil {
		return err
	}
	if err := s.appears(ctx, s.of(bob)...); err != nil {
		return err
	}
	if err := s.settle(ctx, s.clients...); err != nil {
		return err
	}
	if err := s.bobPhone.garden().edit("plan.txt", "bob is back"); err != nil {
		return err
	}
	if err := s.settle(ctx, s.clients...); err != nil {
		return err
	}
	n, err := s.compareGardens(s.clients...)
	if err != nil {
		return err
	}
	s.out.Line("invite", "eve invites bob again, which ada may not any more: all five devices have the same %d files; bob has them as %q, as the owner has",
		n, s.bobPhone.garden().mount.Member.MountName)
	return nil
}

// leave: Eve goes, but as the owner she has to say who comes after her.
func (s *show) leave(ctx context.Context) error {
	_, err := s.server.Leave(ctx, stacksync.LeaveRequest{Actor: s.eveTablet.actor, Workspace: s.garden})
	if err := refused("an owner leaves", err, stacksync.ErrIsOwner); err != nil {
		return err
	}
	_, err = s.server.TransferOwnership(ctx, stacksync.TransferOwnershipRequest{Actor: s.eveTablet.actor, Workspace: s.garden, To: ada})
	if err != nil {
		return err
	}
	if _, err = s.server.Leave(ctx, stacksync.LeaveRequest{Actor: s.eveTablet.actor, Workspace: s.garden}); err != nil {
		return err
	}
	if err := s.disappears(ctx, s.eveTablet); err != nil {
		return err
	}
	s.out.Line("leave", "eve gives the folder back to ada, since an owner can't leave, and leaves; her tablet keeps the files aside")
	return nil
}

// unshare: with nobody left but the owner, the folder returns to where it came from.
func (s *show) unshare(ctx context.Context) error {
	start := time.Now()
	if _, err := s.server.Unshare(ctx, stacksync.UnshareRequest{Actor: s.adaLaptop.actor, Workspace: s.garden}); err != nil {
		return err
	}
	returned := story.Took(start)
	if err := s.disappears(ctx, s.of(ada, bob)...); err != nil {
		return err
	}
	r, err := s.total(ctx, s.of(ada)...)
	if err != nil {
		return err
	}
	if !s.adaLaptop.home.has("garden/notes/from bob's phone.txt") {
		return errors.New("the folder has not returned as it was")
	}
	s.out.Line("unshare", `ada unshares the folder: in %s it is back in her %q, with all that the others wrote; her devices move their files back, and fetch %s`,
		returned, homeName, story.Size(r.BytesDownloaded))
	return nil
}
