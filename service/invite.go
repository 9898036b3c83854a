package service

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// guests are the users of some invitees, and the emails of which nobody is known.
type guests struct {
	members []stacksync.Member // without workspace and time
	homes   map[stacksync.UserID]stacksync.WorkspaceID
	unknown []string
}

// find resolves invitees. Who is not a user is passed over.
func (s *Service) find(ctx context.Context, actor stacksync.Actor, field string, invite []stacksync.Invitee) (guests, error) {
	var g guests
	if n := len(invite); n == 0 || n > s.cfg.Limits.Members {
		return g, &stacksync.FieldError{Field: field, Reason: fmt.Sprintf("are not 1 to %d", s.cfg.Limits.Members), Err: stacksync.ErrLimit}
	}
	for i, v := range invite {
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case (v.User == "") == (v.Email == ""):
			return g, &stacksync.FieldError{Field: at, Reason: "does not have either User or Email"}
		case v.Role == 0:
			v.Role = stacksync.Editor
		case v.Role != stacksync.Viewer && v.Role != stacksync.Editor:
			return g, &stacksync.FieldError{Field: at + ".Role", Reason: "is neither Viewer nor Editor"}
		}
		if err := stacksync.CheckText(at+".SealedKey", v.SealedKey, maxSealedKey); err != nil {
			return g, err
		}
		if v.Email != "" {
			if err := stacksync.CheckText(at+".Email", v.Email, maxEmail); err != nil {
				return g, err
			}
			if s.cfg.FindUser == nil {
				return g, fmt.Errorf("%s.Email: service has no FindUser: %w", at, errors.ErrUnsupported)
			}
			id, err := s.cfg.FindUser(ctx, v.Email)
			if errors.Is(err, stacksync.ErrNotFound) {
				g.unknown = append(g.unknown, v.Email)
				continue
			}
			if err != nil {
				return g, fmt.Errorf("find user: %w", err)
			}
			v.User = id
		}
		if err := stacksync.CheckUserID(at+".User", v.User); err != nil {
			return g, err
		}
		switch {
		case v.User == actor.User:
			return g, &stacksync.FieldError{Field: at, Reason: "is the actor"}
		case slices.ContainsFunc(g.members, func(m stacksync.Member) bool { return m.User == v.User }):
			return g, &stacksync.FieldError{Field: at, Reason: "is there twice"}
		}
		g.members = append(g.members, stacksync.Member{User: v.User, Role: v.Role, SealedKey: v.SealedKey, Pending: s.cfg.AskInvited})
	}
	return g, s.keepUsers(ctx, &g)
}

// maxEmail is the longest address that SMTP can carry (RFC 5321, 4.5.3.1.3: a path of 256 with its brackets).
const maxEmail = 254

// keepUsers leaves those guests who are users.
func (s *Service) keepUsers(ctx context.Context, g *guests) error {
	ids := make([]stacksync.UserID, len(g.members))
	for i := range g.members {
		ids[i] = g.members[i].User
	}
	g.homes = make(map[stacksync.UserID]stacksync.WorkspaceID, len(ids))
	err := s.store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		res, err := r.Users(ctx, stacksync.UsersParams{IDs: ids})
		for i := range res.Users {
			if u := &res.Users[i]; !u.Leaving() {
				g.homes[u.ID] = u.DefaultWorkspace
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	g.members = slices.DeleteFunc(g.members, func(m stacksync.Member) bool { return g.homes[m.User].IsZero() })
	if len(g.members) == 0 {
		return stacksync.ErrNobodyInvited
	}
	return nil
}

func (g guests) users() []stacksync.UserID {
	ids := make([]stacksync.UserID, len(g.members))
	for i := range g.members {
		ids[i] = g.members[i].User
	}
	return ids
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
	// Who may not invite learns nothing about whom there is.
	if err := s.view(ctx, r.Actor, r.Workspace, toManage, func(context.Context, stacksync.Reader, stacksync.Access) error { return nil }); err != nil {
		return res, err
	}
	g, err := s.find(ctx, r.Actor, "Invite", r.Invite)
	if err != nil {
		return res, err
	}
	var op *stacksync.Operation
	err = s.manage(ctx, r.Actor, r.Workspace, toManage, g.users(), func(ctx context.Context, w *write, ro *roster) error {
		res, op = stacksync.InviteResult{Unknown: g.unknown}, nil
		if err := ro.checkShared(); err != nil {
			return err
		}
		if err := ro.checkStays(ctx, w); err != nil {
			return err
		}
		owner := ro.members[ro.Workspace.Owner]
		if at := ro.Workspace.KeyGeneration; r.KeyGeneration != at || owner.KeyGeneration != at {
			return fmt.Errorf("%w: it is %d", stacksync.ErrKeyGeneration, at)
		}
		name := owner.MountName
		added := false
		for _, m := range g.members {
			was := ro.members[m.User]
			if was != nil && !was.Pending {
				res.Members = append(res.Members, publicMember(was, r.User))
				continue
			}
			if err := checkKey(ro.Workspace, &m); err != nil {
				return err
			}
			if err := w.add(ctx, ro.Workspace, &m, g.homes[m.User], name); errors.Is(err, stacksync.ErrUserNotFound) {
				continue // deleted meanwhile
			} else if err != nil {
				return err
			}
			ro.members[m.User], added = &m, true
			res.Members = append(res.Members, publicMember(&m, r.User))
		}
		if n := len(ro.members); n > s.cfg.Limits.Members {
			return &stacksync.FieldError{Field: "Invite", Reason: fmt.Sprintf("would make more than %d members", s.cfg.Limits.Members), Err: stacksync.ErrLimit}
		}
		if len(res.Members) == 0 {
			return stacksync.ErrNobodyInvited
		}
		if !added {
			return nil
		}
		if err := w.touchAll(ctx, ro); err != nil {
			return err
		}
		op, err = w.storageHears(ctx, ro.Workspace)
		return err
	})
	if err == nil {
		err = s.finishIf(ctx, op)
	}
	return res, err
}

// checkKey sees to it that a new member of an encrypted workspace gets its present key, and gives no key to others.
func checkKey(ws *stacksync.Workspace, m *stacksync.Member) error {
	switch {
	case !ws.Encrypted && m.SealedKey != "":
		return &stacksync.FieldError{Field: "SealedKey", Reason: "is set, but the workspace is not encrypted"}
	case ws.Encrypted && m.SealedKey == "":
		return &stacksync.FieldError{Field: "SealedKey", Reason: fmt.Sprintf("of %q is empty, but the workspace is encrypted", m.User)}
	case ws.Encrypted:
		m.KeyGeneration = ws.KeyGeneration
	}
	return nil
}

// add makes a member, whose devices show the workspace under a free name in the root of the member's default workspace. The caller has
// locked the user.
func (w *write) add(ctx context.Context, ws *stacksync.Workspace, m *stacksync.Member, home stacksync.WorkspaceID, name string) error {
	u, err := w.user(ctx, m.User)
	if err == nil && u.DefaultWorkspace != home { // it is another one by now
		err = stacksync.ErrUserNotFound
	}
	if err != nil {
		return err
	}
	m.Workspace, m.JoinedAt = ws.ID, w.service.now()
	if m.MountName, err = w.freeName(ctx, m.User, ws.ID, name); err != nil {
		return err
	}
	w.put.Members = append(w.put.Members, *m)
	return nil
}

// AnswerInvitation implements Sharing.
func (s *Service) AnswerInvitation(ctx context.Context, r stacksync.AnswerInvitationRequest) (stacksync.AnswerInvitationResult, error) {
	return call(ctx, s, "AnswerInvitation", func(ctx context.Context) (stacksync.AnswerInvitationResult, int, error) {
		op, err := s.answerInvitation(ctx, r)
		if err == nil {
			err = s.finishIf(ctx, op)
		}
		return stacksync.AnswerInvitationResult{}, 1, err
	})
}

func (s *Service) answerInvitation(ctx context.Context, r stacksync.AnswerInvitationRequest) (op *stacksync.Operation, err error) {
	if err := stacksync.CheckActor(r.Actor, stacksync.Needs{}); err != nil {
		return nil, err
	}
	const tries = 100
	for range tries {
		owner, err := s.ownerOf(ctx, r)
		switch {
		case errors.Is(err, stacksync.ErrWorkspaceNotFound) && !r.Accept:
			return nil, nil
		case err != nil:
			return nil, err
		}
		op, err = s.answerAs(ctx, owner, r)
		if !errors.Is(err, stacksync.ErrRole) && !errors.Is(err, stacksync.ErrWorkspaceNotFound) {
			return op, err
		}
		// That one is the owner no longer, or the invitation has gone.
	}
	return nil, fmt.Errorf("owners keep changing: %w", stacksync.ErrBusy)
}

// answerAs answers an invitation with the rights of the owner; the invited user is known to be a member by the roster.
func (s *Service) answerAs(ctx context.Context, owner stacksync.UserID, r stacksync.AnswerInvitationRequest) (op *stacksync.Operation, err error) {
	err = s.manage(ctx, stacksync.Actor{User: owner}, r.Workspace, toManage, []stacksync.UserID{r.User}, func(ctx context.Context, w *write, ro *roster) error {
		op = nil
		// The device may have been revoked meanwhile, or the user deleted.
		if _, _, err := devicesOf(ctx, w, r.Actor); errors.Is(err, stacksync.ErrUserNotFound) {
			return stacksync.ErrWorkspaceNotFound
		} else if err != nil {
			return err
		}
		m := ro.members[r.User]
		switch {
		case m == nil && r.Accept:
			return stacksync.ErrWorkspaceNotFound
		case m == nil || !m.Pending:
			return nil
		case !r.Accept:
			op, err = w.takeOut(ctx, ro, []stacksync.UserID{r.User})
			return err
		}
		m.Pending, m.JoinedAt = false, s.now()
		w.put.Members = append(w.put.Members, *m)
		if err := w.touchAll(ctx, ro); err != nil {
			return err
		}
		op, err = w.storageKnows(ro.Workspace)
		return err
	})
	return op, err
}

// ownerOf returns the owner of a workspace that the actor is invited to, or a member of.
func (s *Service) ownerOf(ctx context.Context, r stacksync.AnswerInvitationRequest) (owner stacksync.UserID, err error) {
	err = s.store.View(ctx, func(ctx context.Context, rd stacksync.Reader) error {
		if _, _, err := devicesOf(ctx, rd, r.Actor); err != nil {
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
