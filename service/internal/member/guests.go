package member

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Guests are those invitees of a request who are users.
type Guests struct {
	Members []stacksync.Member // without Workspace, JoinedAt and mount
	// Homes are the default workspaces of the guests, by user. If a user has another default
	// workspace later, the id belongs to another user by then.
	Homes map[stacksync.UserID]stacksync.WorkspaceID
	// Unknown are the emails that belong to no user.
	Unknown []string
}

// Inviter finds the users whom invitations are for.
type Inviter struct {
	*session.Kernel
	// FindUser is service.Config.FindUser; it may be nil.
	FindUser func(ctx context.Context, email string) (stacksync.UserID, error)
	// Pending makes the guests pending members, who have yet to accept.
	Pending bool
}

// Find returns the guests of a list of invitees. It passes over invitees who are not users. field
// names the list in a *FieldError. ErrNobodyInvited: no invitee is a user. errors.ErrUnsupported:
// an invitee has an Email, and FindUser is nil.
func (in Inviter) Find(ctx context.Context, actor stacksync.Actor, field string, invite []stacksync.Invitee) (Guests, error) {
	var g Guests
	if n := len(invite); n == 0 || n > in.Limits.Members {
		return g, &stacksync.FieldError{Field: field, Reason: fmt.Sprintf("are not 1 to %d", in.Limits.Members), Err: stacksync.ErrLimit}
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
		if err := stacksync.CheckText(at+".SealedKey", v.SealedKey, MaxSealedKey); err != nil {
			return g, err
		}
		if v.Email != "" {
			if err := stacksync.CheckText(at+".Email", v.Email, maxEmail); err != nil {
				return g, err
			}
			if in.FindUser == nil {
				return g, fmt.Errorf("%s.Email: service has no FindUser: %w", at, errors.ErrUnsupported)
			}
			id, err := in.FindUser(ctx, v.Email)
			if errors.Is(err, stacksync.ErrNotFound) {
				g.Unknown = append(g.Unknown, v.Email)
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
		case slices.ContainsFunc(g.Members, func(m stacksync.Member) bool { return m.User == v.User }):
			return g, &stacksync.FieldError{Field: at, Reason: "is there twice"}
		}
		g.Members = append(g.Members, stacksync.Member{User: v.User, Role: v.Role, SealedKey: v.SealedKey, Pending: in.Pending})
	}
	return g, in.keepUsers(ctx, &g)
}

// maxEmail is the length in bytes of the longest address that SMTP can carry (RFC 5321, 4.5.3.1.3:
// a path of 256 with its brackets).
const maxEmail = 254

// keepUsers drops the guests who are no users, or are being deleted, and fills in Homes.
func (in Inviter) keepUsers(ctx context.Context, g *Guests) error {
	ids := make([]stacksync.UserID, len(g.Members))
	for i := range g.Members {
		ids[i] = g.Members[i].User
	}
	g.Homes = make(map[stacksync.UserID]stacksync.WorkspaceID, len(ids))
	err := in.Store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		res, err := r.Users(ctx, stacksync.UsersParams{IDs: ids})
		for i := range res.Users {
			if u := &res.Users[i]; !u.Leaving() {
				g.Homes[u.ID] = u.DefaultWorkspace
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	g.Members = slices.DeleteFunc(g.Members, func(m stacksync.Member) bool { return g.Homes[m.User].IsZero() })
	if len(g.Members) == 0 {
		return stacksync.ErrNobodyInvited
	}
	return nil
}

// Users returns the ids of the guests.
func (g Guests) Users() []stacksync.UserID {
	ids := make([]stacksync.UserID, len(g.Members))
	for i := range g.Members {
		ids[i] = g.Members[i].User
	}
	return ids
}
