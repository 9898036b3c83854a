package metastoretest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
)

func accountFaults() []fault {
	return []fault{
		{name: "answers for unknown users", breaks: []string{"users are read by id"}, bend: func(b *bent) {
			b.users = func(p stacksync.UsersParams, r *stacksync.UsersResult) {
				for _, id := range p.IDs {
					r.Users = append(r.Users, stacksync.User{ID: id})
				}
			}
		}},
		{name: "keeps the first of a user", breaks: []string{"a user is replaced"}, bend: func(b *bent) {
			first := map[stacksync.UserID]stacksync.User{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				p.Users = slices.Clone(p.Users)
				for i, u := range p.Users {
					p.Users[i] = firstOf(first, u.ID, u)
				}
				return nil
			}
		}},
		{name: "keeps a user's first workspace", breaks: []string{"a user has no default workspace any more"}, bend: func(b *bent) {
			first := map[stacksync.UserID]stacksync.WorkspaceID{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				p.Users = slices.Clone(p.Users)
				for i, u := range p.Users {
					p.Users[i].DefaultWorkspace = firstOf(first, u.ID, u.DefaultWorkspace)
				}
				return nil
			}
		}},
		{name: "wants users to have a workspace", breaks: []string{"a user has no default workspace any more"}, bend: func(b *bent) {
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				if slices.ContainsFunc(p.Users, func(u stacksync.User) bool { return u.DefaultWorkspace.IsZero() }) {
					return errors.New("a user has no workspace")
				}
				return nil
			}
		}},
		{name: "folds the case of user ids", breaks: []string{"user ids are compared by their bytes"}, bend: func(b *bent) {
			b.usersParams = func(p *stacksync.UsersParams) {
				for i, id := range p.IDs {
					p.IDs[i] = stacksync.UserID(strings.ToLower(string(id)))
				}
			}
		}},
		{name: "orders devices by id only", breaks: []string{"devices come by creation time, then id"}, bend: func(b *bent) {
			b.devices = func(r *stacksync.DevicesResult) {
				slices.SortFunc(r.Devices, func(a, b stacksync.Device) int { return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:]) })
			}
		}},
		{name: "has one device an id", breaks: []string{"the same device id under two users is two devices"}, bend: func(b *bent) {
			owner := map[stacksync.DeviceID]stacksync.Device{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				p.Devices = slices.DeleteFunc(slices.Clone(p.Devices), func(d stacksync.Device) bool {
					return firstOf(owner, d.ID, d).User != d.User
				})
				return nil
			}
		}},
		{name: "never takes a revocation back", breaks: []string{"a device is replaced"}, bend: func(b *bent) {
			revoked := map[stacksync.DeviceID]bool{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				p.Devices = slices.Clone(p.Devices)
				for i, d := range p.Devices {
					revoked[d.ID] = revoked[d.ID] || d.Revoked
					p.Devices[i].Revoked = revoked[d.ID]
				}
				return nil
			}
		}},
		{
			name:   "mixes up the workspaces of memberships",
			breaks: []string{"memberships come by workspace id, each with its workspace"},
			bend: func(b *bent) {
				b.memberships = func(r *stacksync.MembershipsResult) { slices.Reverse(r.Workspaces) }
			},
		},
		{name: "keeps the first of a member", breaks: []string{"a member is replaced"}, bend: func(b *bent) {
			first := map[any]stacksync.Member{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				p.Members = slices.Clone(p.Members)
				for i, m := range p.Members {
					p.Members[i] = firstOf(first, keyOf(m), m)
				}
				return nil
			}
		}},
		{name: "trims user ids", breaks: []string{"an unknown user has nothing"}, bend: func(b *bent) {
			b.usersParams = func(p *stacksync.UsersParams) {
				for i, id := range p.IDs {
					p.IDs[i] = stacksync.UserID(strings.TrimSpace(string(id)))
				}
			}
		}},

		{name: "leaves owners out", breaks: []string{"Load.Access brings workspace, owner, member and device"}, bend: func(b *bent) {
			b.load = func(_ context.Context, _ stacksync.Reader, _ stacksync.LoadParams, r *stacksync.LoadResult) error {
				r.Owners = nil
				return nil
			}
		}},
		{name: "answers each access key with a row", breaks: []string{"Load.Access brings each row once"}, bend: func(b *bent) {
			b.load = func(_ context.Context, _ stacksync.Reader, p stacksync.LoadParams, r *stacksync.LoadResult) error {
				if len(p.Access) > len(r.Workspaces) {
					r.Workspaces = append(r.Workspaces, r.Workspaces...)
				}
				return nil
			}
		}},
		{name: "joins access with members", breaks: []string{"Load.Access leaves out what is unknown"}, bend: func(b *bent) {
			b.load = func(_ context.Context, _ stacksync.Reader, _ stacksync.LoadParams, r *stacksync.LoadResult) error {
				if len(r.Members) == 0 {
					r.Workspaces, r.Owners, r.Devices = nil, nil, nil
				}
				return nil
			}
		}},
		{name: "takes no device for all devices", breaks: []string{"Load.Access with a zero device asks for none"}, bend: func(b *bent) {
			b.load = func(ctx context.Context, below stacksync.Reader, p stacksync.LoadParams, r *stacksync.LoadResult) error {
				for _, k := range p.Access {
					all, err := below.Devices(ctx, stacksync.DevicesParams{User: k.User})
					if err != nil {
						return err
					}
					if k.Device.IsZero() {
						r.Devices = append(r.Devices, all.Devices...)
					}
				}
				return nil
			}
		}},
		{name: "looks for devices by id only", breaks: []string{"Load.Access brings only the user's own device"}, bend: func(b *bent) {
			put := map[stacksync.DeviceID]stacksync.Device{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				for _, d := range p.Devices {
					put[d.ID] = d
				}
				return nil
			}
			b.load = func(_ context.Context, _ stacksync.Reader, p stacksync.LoadParams, r *stacksync.LoadResult) error {
				r.Devices = nil
				for _, k := range p.Access {
					if d, ok := put[k.Device]; ok {
						r.Devices = append(r.Devices, d)
					}
				}
				return nil
			}
		}},
		{name: "keeps the first of a workspace", breaks: []string{"a workspace is replaced"}, bend: func(b *bent) {
			first := map[stacksync.WorkspaceID]stacksync.Workspace{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				p.Workspaces = slices.Clone(p.Workspaces)
				for i, w := range p.Workspaces {
					p.Workspaces[i] = firstOf(first, w.ID, w)
				}
				return nil
			}
		}},
	}
}

// firstOf returns the first value that was given under a key.
func firstOf[K comparable, V any](first map[K]V, k K, v V) V {
	if f, ok := first[k]; ok {
		return f
	}
	first[k] = v
	return v
}
