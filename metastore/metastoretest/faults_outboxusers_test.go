package metastoretest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/stacksync/stacksync-go"
)

func outboxUserFaults() []fault {
	return []fault{
		{name: "claims users that are not due yet", breaks: []string{
			"ClaimHints returns the users that owe a hint and are due", "a claimed user is not due until then",
		}, bend: bendClaim(func(p *stacksync.ClaimHintsParams) { p.Now = p.Now.Add(time.Minute) })},
		{name: "claims workspaces only", breaks: []string{
			"ClaimHints returns the users that owe a hint and are due", "random transactions answer as a model does",
		}, bend: bendClaimedUsers(func(stacksync.ClaimHintsParams, *stacksync.ClaimHintsResult) []stacksync.User { return nil })},
		{name: "returns users as they were", breaks: []string{"a claimed user is not due until then"}, bend: bendClaimedUsers(
			func(p stacksync.ClaimHintsParams, r *stacksync.ClaimHintsResult) []stacksync.User {
				return usersDueAt(p.Now, r.Users...)
			},
		)},
		{name: "has one Limit for workspaces and users", breaks: []string{"ClaimHints takes the longest due users first, and counts them on their own"}, bend: bendClaimedUsers(
			func(p stacksync.ClaimHintsParams, r *stacksync.ClaimHintsResult) []stacksync.User {
				return r.Users[:min(len(r.Users), p.Limit-len(r.Workspaces))]
			},
		)},
		{name: "claims the shortest due users first", breaks: []string{"ClaimHints takes the longest due users first, and counts them on their own"}, bend: func(b *bent) {
			b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
				limit := p.Limit
				p.Limit = 1000
				result, err := below.ClaimHints(ctx, p)
				result.Users = result.Users[max(0, len(result.Users)-limit):]
				return result, err
			}
		}},
		{name: "marks users for what is yet to come", breaks: []string{"MarkNotified raises Notified of users, up to Revision, and never lowers it"}, bend: bendMarkUsers(
			func(_ context.Context, _ stacksync.Tx, p *stacksync.MarkNotifiedParams) error {
				for id := range p.Users {
					p.Users[id]++
				}
				return nil
			},
		)},
		{name: "marks workspaces or users", breaks: []string{"MarkNotified raises Notified of users, up to Revision, and never lowers it"}, bend: bendMarkUsers(
			func(_ context.Context, _ stacksync.Tx, p *stacksync.MarkNotifiedParams) error {
				if len(p.Notified) > 0 {
					p.Users = nil
				}
				return nil
			},
		)},
		{name: "lowers Notified of users", breaks: []string{
			"MarkNotified raises Notified of users, up to Revision, and never lowers it", "random transactions answer as a model does",
		}, bend: func(b *bent) {
			b.mark = func(ctx context.Context, below stacksync.Tx, p stacksync.MarkNotifiedParams) error {
				return putMarkedUsers(ctx, below, p, func(u *stacksync.User) { u.Notified, u.HintDue = p.Users[u.ID], p.Due })
			}
		}},
		{name: "sets HintDue of users only where it raises", breaks: []string{
			"MarkNotified sets HintDue of users where a hint is still owed, and nowhere else",
		}, bend: func(b *bent) {
			b.mark = func(ctx context.Context, below stacksync.Tx, p stacksync.MarkNotifiedParams) error {
				return putMarkedUsers(ctx, below, p, func(u *stacksync.User) {
					if p.Users[u.ID] > u.Notified {
						u.Notified, u.HintDue = p.Users[u.ID], p.Due
					}
				})
			}
		}},
		{name: "makes the users that it is to mark", breaks: []string{"MarkNotified ignores unknown users"}, bend: bendMarkUsers(
			func(ctx context.Context, below stacksync.Tx, p *stacksync.MarkNotifiedParams) error {
				for id := range p.Users {
					known, err := below.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{id}})
					if err != nil {
						return err
					}
					if len(known.Users) == 0 {
						if _, err := below.Put(ctx, stacksync.PutParams{Users: []stacksync.User{{ID: id}}}); err != nil {
							return err
						}
					}
				}
				return nil
			},
		)},
		{name: "keeps a HintDue that no user needs", breaks: []string{"a user that owes no hint has no HintDue"}, bend: func(b *bent) {
			put := map[stacksync.UserID]time.Time{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				for _, u := range p.Users {
					put[u.ID] = u.HintDue
				}
				return nil
			}
			b.users = func(_ stacksync.UsersParams, r *stacksync.UsersResult) {
				for i, u := range r.Users {
					r.Users[i].HintDue = put[u.ID]
				}
			}
		}},
		{name: "claims users that are committed only", breaks: []string{"a user that is Put owes a hint and is due in the same transaction"}, bend: func(b *bent) {
			b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
				result, err := below.ClaimHints(ctx, p)
				if err != nil {
					return result, err
				}
				err = b.MetadataStore.View(ctx, func(ctx context.Context, committed stacksync.Reader) error {
					known, err := committed.Users(ctx, stacksync.UsersParams{IDs: userIDs(result.Users...)})
					result.Users = slices.DeleteFunc(result.Users, func(u stacksync.User) bool { return !slices.Contains(userIDs(known.Users...), u.ID) })
					return err
				})
				return result, err
			}
		}},
		{name: "remembers the users of a ClaimHints that failed", breaks: []string{"a failed Update has claimed and marked no user"}, bend: func(b *bent) {
			claimed := map[stacksync.UserID]bool{}
			bendClaimedUsers(func(_ stacksync.ClaimHintsParams, r *stacksync.ClaimHintsResult) []stacksync.User {
				return slices.DeleteFunc(r.Users, func(u stacksync.User) bool {
					before := claimed[u.ID]
					claimed[u.ID] = true
					return before
				})
			})(b)
		}},
		{name: "claims one user too few", breaks: []string{"thousands of users in one ClaimHints and one MarkNotified"}, bend: bendClaim(
			func(p *stacksync.ClaimHintsParams) { p.Limit = min(faultRows-1, p.Limit) },
		)},
		{name: "marks one user too few", breaks: []string{"thousands of users in one ClaimHints and one MarkNotified"}, bend: bendMarkUsers(
			func(_ context.Context, _ stacksync.Tx, p *stacksync.MarkNotifiedParams) error {
				for id := range p.Users {
					if len(p.Users) > faultRows-1 {
						delete(p.Users, id)
					}
				}
				return nil
			},
		)},
	}
}

func bendClaimedUsers(change func(p stacksync.ClaimHintsParams, r *stacksync.ClaimHintsResult) []stacksync.User) func(b *bent) {
	return func(b *bent) {
		b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
			result, err := below.ClaimHints(ctx, p)
			if err == nil {
				result.Users = change(p, &result)
			}
			return result, err
		}
	}
}

func bendMarkUsers(change func(ctx context.Context, below stacksync.Tx, p *stacksync.MarkNotifiedParams) error) func(b *bent) {
	return bendMark(func(ctx context.Context, below stacksync.Tx, p *stacksync.MarkNotifiedParams) error {
		p.Users = maps.Clone(p.Users)
		return change(ctx, below, p)
	})
}

// putMarkedUsers changes the users of p by Put.
func putMarkedUsers(ctx context.Context, below stacksync.Tx, p stacksync.MarkNotifiedParams, change func(u *stacksync.User)) error {
	got, err := below.Users(ctx, stacksync.UsersParams{IDs: slices.Collect(maps.Keys(p.Users))})
	if err != nil {
		return err
	}
	users := slices.Clone(got.Users)
	for i := range users {
		change(&users[i])
	}
	_, err = below.Put(ctx, stacksync.PutParams{Users: users})
	return err
}
