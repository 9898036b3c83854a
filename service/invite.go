package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/member"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

func (s *Service) inviter() member.Inviter {
	return member.Inviter{Kernel: s.kernel, FindUser: s.cfg.FindUser, Pending: s.cfg.AskInvited}
}

// Invite implements Sharing.
func (s *Service) Invite(ctx context.Context, r stacksync.InviteRequest) (stacksync.InviteResult, error) {
	return call(ctx, s, "Invite", func(ctx context.Context) (stacksync.InviteResult, int, error) {
		res, err := s.invite(ctx, r)
		return res, len(r.Invite), err
	})
}

func (s *Service) invite(ctx context.Context, r stacksync.InviteRequest) (stacksync.InviteResult, error) {
	var res stacksync.InviteResult
	// An actor who may not invite must not learn which users there are.
	if err := s.kernel.View(ctx, r.Actor, r.Workspace, session.ToManage, func(context.Context, stacksync.Reader, stacksync.Access) error { return nil }); err != nil {
		return res, err
	}
	g, err := s.inviter().Find(ctx, r.Actor, "Invite", r.Invite)
	if err != nil {
		return res, err
	}
	var op *stacksync.Operation
	err = s.manage(ctx, r.Actor, r.Workspace, session.ToManage, g.Users(), func(ctx context.Context, w *session.Write, ro *member.Roster) error {
		res, op = stacksync.InviteResult{Unknown: g.Unknown}, nil
		if err := ro.CheckShared(); err != nil {
			return err
		}
		if err := ro.CheckStays(ctx, w); err != nil {
			return err
		}
		owner := ro.Members[ro.Workspace.Owner]
		if at := ro.Workspace.KeyGeneration; r.KeyGeneration != at || owner.KeyGeneration != at {
			return fmt.Errorf("%w: it is %d", stacksync.ErrKeyGeneration, at)
		}
		name := owner.MountName
		added := false
		for _, m := range g.Members {
			was := ro.Members[m.User]
			if was != nil && !was.Pending {
				res.Members = append(res.Members, member.Public(was, r.User))
				continue
			}
			if err := member.CheckKey(ro.Workspace, &m); err != nil {
				return err
			}
			if err := member.Add(ctx, w, ro.Workspace, &m, g.Homes[m.User], name); errors.Is(err, stacksync.ErrUserNotFound) {
				continue // deleted meanwhile
			} else if err != nil {
				return err
			}
			ro.Members[m.User], added = &m, true
			res.Members = append(res.Members, member.Public(&m, r.User))
		}
		if n := len(ro.Members); n > s.cfg.Limits.Members {
			return &stacksync.FieldError{Field: "Invite", Reason: fmt.Sprintf("would make more than %d members", s.cfg.Limits.Members), Err: stacksync.ErrLimit}
		}
		if len(res.Members) == 0 {
			return stacksync.ErrNobodyInvited
		}
		if !added {
			return nil
		}
		if err := ro.Touch(ctx, w); err != nil {
			return err
		}
		op, err = s.granter.RecordAccessBounded(ctx, w, ro.Workspace)
		return err
	})
	if err == nil {
		err = s.engine.FinishIf(ctx, op)
	}
	return res, err
}

// AnswerInvitation implements Sharing.
func (s *Service) AnswerInvitation(ctx context.Context, r stacksync.AnswerInvitationRequest) (stacksync.AnswerInvitationResult, error) {
	return call(ctx, s, "AnswerInvitation", func(ctx context.Context) (stacksync.AnswerInvitationResult, int, error) {
		op, err := s.answerInvitation(ctx, r)
		if err == nil {
			err = s.engine.FinishIf(ctx, op)
		}
		return stacksync.AnswerInvitationResult{}, 1, err
	})
}

func (s *Service) answerInvitation(ctx context.Context, r stacksync.AnswerInvitationRequest) (op *stacksync.Operation, err error) {
	if err := stacksync.CheckActor(r.Actor, stacksync.Needs{}); err != nil {
		return nil, err
	}
	err = session.Settle("owners", func() (bool, error) {
		owner, err := s.ownerOf(ctx, r)
		switch {
		case errors.Is(err, stacksync.ErrWorkspaceNotFound) && !r.Accept:
			return true, nil
		case err != nil:
			return false, err
		}
		op, err = s.answerAs(ctx, owner, r)
		if errors.Is(err, stacksync.ErrRole) || errors.Is(err, stacksync.ErrWorkspaceNotFound) {
			// The owner has changed, or the invitation has gone, since ownerOf read: look again.
			return false, nil
		}
		return true, err
	})
	return op, err
}

// answerAs answers an invitation with the rights of the owner. The roster shows whether the user is
// invited.
func (s *Service) answerAs(ctx context.Context, owner stacksync.UserID, r stacksync.AnswerInvitationRequest) (op *stacksync.Operation, err error) {
	err = s.manage(ctx, stacksync.Actor{User: owner}, r.Workspace, session.ToManage, []stacksync.UserID{r.User}, func(ctx context.Context, w *session.Write, ro *member.Roster) error {
		op = nil
		// The device may have been revoked meanwhile, or the user deleted.
		if _, _, err := session.Devices(ctx, w, r.Actor); errors.Is(err, stacksync.ErrUserNotFound) {
			return stacksync.ErrWorkspaceNotFound
		} else if err != nil {
			return err
		}
		m := ro.Members[r.User]
		switch {
		case m == nil && r.Accept:
			return stacksync.ErrWorkspaceNotFound
		case m == nil || !m.Pending:
			return nil
		case !r.Accept:
			op, err = s.takeOut(ctx, w, ro, []stacksync.UserID{r.User})
			return err
		}
		m.Pending, m.JoinedAt = false, s.kernel.Now()
		w.Rows.Members = append(w.Rows.Members, *m)
		if err := ro.Touch(ctx, w); err != nil {
			return err
		}
		op, err = s.granter.RecordAccess(w, ro.Workspace)
		return err
	})
	return op, err
}

// ownerOf returns the owner of a workspace that the actor is a member of or invited to:
// ErrWorkspaceNotFound.
func (s *Service) ownerOf(ctx context.Context, r stacksync.AnswerInvitationRequest) (owner stacksync.UserID, err error) {
	err = s.store.View(ctx, func(ctx context.Context, rd stacksync.Reader) error {
		if _, _, err := session.Devices(ctx, rd, r.Actor); err != nil {
			return err
		}
		res, err := rd.Memberships(ctx, stacksync.MembershipsParams{User: r.User})
		if err != nil {
			return err
		}
		for i := range res.Workspaces {
			if res.Workspaces[i].ID == r.Workspace {
				owner = res.Workspaces[i].Owner
				return nil
			}
		}
		return stacksync.ErrWorkspaceNotFound
	})
	if errors.Is(err, stacksync.ErrUserNotFound) {
		err = stacksync.ErrWorkspaceNotFound
	}
	return owner, err
}
