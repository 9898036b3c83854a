package metastoretest

import (
	"context"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
)

func memberFaults() []fault {
	return []fault{
		{name: "leaves out who has not accepted", breaks: []string{"Members come by workspace id, then user id, pending ones too"}, bend: func(b *bent) {
			b.members = func(_ stacksync.MembersParams, r *stacksync.MembersResult) {
				r.Members = slices.DeleteFunc(r.Members, func(m stacksync.Member) bool { return m.Pending })
			}
		}},
		{name: "orders members by user id only", breaks: []string{"Members come by workspace id, then user id, pending ones too"}, bend: func(b *bent) {
			b.members = func(_ stacksync.MembersParams, r *stacksync.MembersResult) {
				slices.SortStableFunc(r.Members, func(a, b stacksync.Member) int { return strings.Compare(string(a.User), string(b.User)) })
			}
		}},
		{name: "orders members by their folded case", breaks: []string{"Members orders user ids by their bytes"}, bend: func(b *bent) {
			b.members = func(_ stacksync.MembersParams, r *stacksync.MembersResult) {
				slices.SortStableFunc(r.Members, func(a, b stacksync.Member) int {
					return strings.Compare(strings.ToLower(string(a.User)), strings.ToLower(string(b.User)))
				})
			}
		}},
		{name: "answers each workspace with a member", breaks: []string{"Members leaves out unknown workspaces"}, bend: func(b *bent) {
			b.members = func(p stacksync.MembersParams, r *stacksync.MembersResult) {
				for _, id := range p.Workspaces {
					if !slices.ContainsFunc(r.Members, func(m stacksync.Member) bool { return m.Workspace == id }) {
						r.Members = append(r.Members, stacksync.Member{Workspace: id})
					}
				}
			}
		}},
		{name: "never takes an invitation for accepted", breaks: []string{"a member accepts"}, bend: bendMembers(func() func(m *stacksync.Member) {
			first := map[any]bool{}
			return func(m *stacksync.Member) { m.Pending = firstOf(first, keyOf(*m), m.Pending) }
		})},
		{name: "keeps two lists of members", breaks: []string{"a member accepts"}, bend: func(b *bent) {
			first := map[any]stacksync.Member{}
			b.members = func(_ stacksync.MembersParams, r *stacksync.MembersResult) {
				r.Members = slices.Clone(r.Members)
				for i, m := range r.Members {
					r.Members[i] = firstOf(first, keyOf(m), m)
				}
			}
		}},

		{name: "has room for 4,095 bytes of a key", breaks: []string{"sealed keys of 4,096 bytes come back"}, bend: bendMembers(func() func(m *stacksync.Member) {
			return func(m *stacksync.Member) { m.SealedKey = m.SealedKey[:min(len(m.SealedKey), 4095)] }
		})},
		{name: "has room for 64 KiB of Data", breaks: []string{"1 MiB of an operation's Data comes back"}, bend: bendOperations(func() func(op *stacksync.Operation) {
			return func(op *stacksync.Operation) { op.Data = op.Data[:min(len(op.Data), 1<<16)] }
		})},
		{name: "forgets where an item went that came back", breaks: []string{"MovedTo comes back in every version"}, bend: func(b *bent) {
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				p.Superseded = slices.Clone(p.Superseded)
				for i := range p.Superseded {
					p.Superseded[i].MovedTo = stacksync.WorkspaceID{}
				}
				return nil
			}
		}},
		{name: "keeps MovedTo once it is set", breaks: []string{"MovedTo comes back in every version"}, bend: bendItems(func() func(row *stacksync.ItemRow) {
			last := map[stacksync.ItemID]stacksync.WorkspaceID{}
			return func(row *stacksync.ItemRow) {
				if row.MovedTo.IsZero() {
					row.MovedTo = last[row.ID]
				}
				last[row.ID] = row.MovedTo
			}
		})},
		{name: "never thaws", breaks: []string{"a workspace thaws"}, bend: func(b *bent) {
			first := map[stacksync.WorkspaceID]stacksync.Workspace{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				p.Workspaces = slices.Clone(p.Workspaces)
				for i, w := range p.Workspaces {
					p.Workspaces[i].FrozenUntil = firstOf(first, w.ID, w).FrozenUntil
				}
				return nil
			}
		}},
	}
}

// bendMembers and bendOperations do what bendItems does.
func bendMembers(bend func() func(m *stacksync.Member)) func(b *bent) {
	return func(b *bent) {
		change := bend()
		b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
			p.Members = slices.Clone(p.Members)
			for i := range p.Members {
				change(&p.Members[i])
			}
			return nil
		}
	}
}

func bendOperations(bend func() func(op *stacksync.Operation)) func(b *bent) {
	return func(b *bent) {
		change := bend()
		b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
			p.Operations = slices.Clone(p.Operations)
			for i := range p.Operations {
				change(&p.Operations[i])
			}
			return nil
		}
	}
}
