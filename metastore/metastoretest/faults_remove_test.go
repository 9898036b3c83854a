package metastoretest

import (
	"context"
	"errors"
	"slices"

	"github.com/stacksync/stacksync-go"
)

func removeFaults() []fault {
	return []fault{
		{
			name: "forgets operations where it removes users", breaks: []string{"Remove deletes members, workspaces, users and operations in one call"},
			bend: bendRemove(func(_ context.Context, _ stacksync.Tx, p *stacksync.RemoveParams) error {
				if len(p.Users) > 0 {
					p.Operations = nil
				}
				return nil
			}),
		},
		{
			name: "removes all members of a workspace at once", breaks: []string{"Remove deletes what it is given, and nothing beside it"},
			bend: bendRemove(func(ctx context.Context, below stacksync.Tx, p *stacksync.RemoveParams) error {
				for _, key := range p.Members {
					all, err := below.Members(ctx, stacksync.MembersParams{Workspaces: []stacksync.WorkspaceID{key.Workspace}})
					if err != nil {
						return err
					}
					p.Members = append(p.Members, memberKeys(all.Members...)...)
				}
				return nil
			}),
		},
		{
			name: "wants to know what it removes", breaks: []string{"Remove ignores unknown keys, and may be given nothing"},
			bend: bendRemove(func(ctx context.Context, below stacksync.Tx, p *stacksync.RemoveParams) error {
				known, err := below.Users(ctx, stacksync.UsersParams{IDs: p.Users})
				if err == nil && len(known.Users) < len(p.Users) {
					err = errors.New("no such user")
				}
				return err
			}),
		},
		{name: "keeps devices", breaks: []string{"the devices of a user are removed with it"}, bend: func(b *bent) {
			b.remove = func(ctx context.Context, below stacksync.Tx, p stacksync.RemoveParams) error {
				var kept []stacksync.Device
				for _, id := range p.Users {
					devices, err := below.Devices(ctx, stacksync.DevicesParams{User: id})
					if err != nil {
						return err
					}
					kept = append(kept, devices.Devices...)
				}
				if _, err := below.Remove(ctx, p); err != nil {
					return err
				}
				_, err := below.Put(ctx, stacksync.PutParams{Devices: kept})
				return err
			}
		}},
		{name: "never lets a member back in", breaks: []string{"what was removed can be Put again"}, bend: func(b *bent) {
			removed := map[stacksync.MemberKey]bool{}
			bendRemove(func(_ context.Context, _ stacksync.Tx, p *stacksync.RemoveParams) error {
				for _, key := range p.Members {
					removed[key] = true
				}
				return nil
			})(b)
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				p.Members = slices.DeleteFunc(slices.Clone(p.Members), func(m stacksync.Member) bool { return removed[memberKeys(m)[0]] })
				return nil
			}
		}},
		{name: "leaves what it removes to be claimed", breaks: []string{"what was removed is not claimed, and can't be marked"}, bend: func(b *bent) {
			var left []stacksync.Operation
			bendRemove(func(ctx context.Context, below stacksync.Tx, p *stacksync.RemoveParams) error {
				known, err := below.Operations(ctx, stacksync.OperationsParams{IDs: p.Operations, Limit: 10})
				left = append(left, known.Operations...)
				return err
			})(b)
			bendClaimed(func(_ stacksync.ClaimOperationsParams, claimed []stacksync.Operation) []stacksync.Operation {
				return append(claimed, left...)
			})(b)
		}},
		{name: "makes the users that it is to mark", breaks: []string{"what was removed is not claimed, and can't be marked"}, bend: userBender().markUnknown()},
		{name: "remembers a Remove that failed", breaks: []string{"a failed Update has removed and purged nothing"}, bend: func(b *bent) {
			removed := map[stacksync.UserID]bool{}
			bendRemove(func(_ context.Context, _ stacksync.Tx, p *stacksync.RemoveParams) error {
				for _, id := range p.Users {
					removed[id] = true
				}
				return nil
			})(b)
			b.users = func(_ stacksync.UsersParams, r *stacksync.UsersResult) {
				r.Users = slices.DeleteFunc(r.Users, func(u stacksync.User) bool { return removed[u.ID] })
			}
		}},
		{name: "shows at once that operations are gone", breaks: []string{"a View goes on seeing what is removed and purged meanwhile"}, bend: func(b *bent) {
			b.operations = func(ctx context.Context, below stacksync.Reader, p stacksync.OperationsParams) (result stacksync.OperationsResult, err error) {
				if _, update := below.(stacksync.Tx); update {
					return below.Operations(ctx, p)
				}
				err = b.MetadataStore.View(ctx, func(ctx context.Context, later stacksync.Reader) error {
					result, err = later.Operations(ctx, p)
					return err
				})
				return result, err
			}
		}},
		{name: "removes what is committed only", breaks: []string{"an Update removes what it has Put itself, and shows neither"}, bend: func(b *bent) {
			bendRemove(func(ctx context.Context, _ stacksync.Tx, p *stacksync.RemoveParams) error {
				return b.MetadataStore.View(ctx, func(ctx context.Context, committed stacksync.Reader) error {
					known, err := committed.Users(ctx, stacksync.UsersParams{IDs: p.Users})
					p.Users = userIDs(known.Users...)
					return err
				})
			})(b)
		}},
		{
			name: "removes one row too few", breaks: []string{"thousands of rows of a kind in one Remove"},
			bend: bendRemove(func(_ context.Context, _ stacksync.Tx, p *stacksync.RemoveParams) error {
				p.Operations = p.Operations[:min(len(p.Operations), faultRows-1)]
				return nil
			}),
		},
	}
}

func bendRemove(change func(ctx context.Context, below stacksync.Tx, p *stacksync.RemoveParams) error) func(b *bent) {
	return func(b *bent) {
		b.remove = func(ctx context.Context, below stacksync.Tx, p stacksync.RemoveParams) error {
			if err := change(ctx, below, &p); err != nil {
				return err
			}
			_, err := below.Remove(ctx, p)
			return err
		}
	}
}

func purgeFaults() []fault {
	return []fault{
		{name: "has a Limit for each kind of row", breaks: []string{
			"Purge deletes items, versions and chunks, at most Limit in all", "random transactions answer as a model does",
		}, bend: bendPurge(func(p *stacksync.PurgeParams) error {
			p.Limit *= 3
			return nil
		})},
		{name: "purges nothing", breaks: []string{"Purge deletes items, versions and chunks, at most Limit in all"}, bend: func(b *bent) {
			b.purge = func(context.Context, stacksync.Tx, stacksync.PurgeParams) (stacksync.PurgeResult, error) {
				return stacksync.PurgeResult{}, nil
			}
		}},
		{name: "leaves versions behind", breaks: []string{"Purge leaves nothing of a workspace to any reader"}, bend: func(b *bent) {
			left := map[stacksync.WorkspaceID][]stacksync.ItemRow{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				for _, row := range p.Superseded {
					left[row.Workspace] = append(left[row.Workspace], row)
				}
				return nil
			}
			b.purge = func(ctx context.Context, below stacksync.Tx, p stacksync.PurgeParams) (stacksync.PurgeResult, error) {
				result, err := below.Purge(ctx, p)
				if err == nil && result.Rows == 0 {
					_, err = below.Put(ctx, stacksync.PutParams{Superseded: left[p.Workspace]})
				}
				return result, err
			}
		}},
		{name: "purges by id in all workspaces", breaks: []string{"Purge of one workspace leaves the others alone"}, bend: func(b *bent) {
			filled := map[stacksync.WorkspaceID]bool{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				for _, row := range p.Items {
					filled[row.Workspace] = true
				}
				return nil
			}
			b.purge = func(ctx context.Context, below stacksync.Tx, p stacksync.PurgeParams) (result stacksync.PurgeResult, err error) {
				for w := range filled {
					part, err := below.Purge(ctx, stacksync.PurgeParams{Workspace: w, Limit: p.Limit})
					if err != nil {
						return result, err
					}
					result.Rows += part.Rows
				}
				return result, nil
			}
		}},
		{name: "has a default for Purge's Limit", breaks: []string{"a Purge with a Limit below 1 is refused"}, bend: bendPurge(func(p *stacksync.PurgeParams) error {
			p.Limit = max(1, p.Limit)
			return nil
		})},
		{name: "remembers what it has purged", breaks: []string{"a purged workspace can be filled again"}, bend: func(b *bent) {
			purged := map[stacksync.WorkspaceID]bool{}
			bendPurge(func(p *stacksync.PurgeParams) error {
				purged[p.Workspace] = true
				return nil
			})(b)
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				p.Chunks = slices.DeleteFunc(slices.Clone(p.Chunks), func(c stacksync.ChunkRow) bool { return purged[c.Workspace] })
				return nil
			}
		}},
		{name: "purges one row too few at once", breaks: []string{"thousands of rows in one Purge"}, bend: bendPurge(func(p *stacksync.PurgeParams) error {
			if p.Limit > faultRows-1 {
				return errors.New("too many parameters")
			}
			return nil
		})},
	}
}

func bendPurge(change func(p *stacksync.PurgeParams) error) func(b *bent) {
	return func(b *bent) {
		b.purge = func(ctx context.Context, below stacksync.Tx, p stacksync.PurgeParams) (stacksync.PurgeResult, error) {
			if err := change(&p); err != nil {
				return stacksync.PurgeResult{}, err
			}
			return below.Purge(ctx, p)
		}
	}
}
