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
				r.Members = slices.DeleteFunc(r.Members, pending)
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
		{name: "hides invitations from Memberships", breaks: []string{"Memberships, Load and Changes bring pending members too"}, bend: func(b *bent) {
			b.memberships = func(r *stacksync.MembershipsResult) {
				var all stacksync.MembershipsResult
				for i, m := range r.Members {
					if !m.Pending {
						all.Members, all.Workspaces = append(all.Members, m), append(all.Workspaces, r.Workspaces[i])
					}
				}
				*r = all
			}
		}},
		{name: "hides invitations from Load", breaks: []string{"Memberships, Load and Changes bring pending members too"}, bend: func(b *bent) {
			b.load = func(_ context.Context, _ stacksync.Reader, _ stacksync.LoadParams, r *stacksync.LoadResult) error {
				r.Members = slices.DeleteFunc(r.Members, pending)
				return nil
			}
		}},
		{name: "hides invitations from Changes", breaks: []string{"Memberships, Load and Changes bring pending members too"}, bend: func(b *bent) {
			b.changes = func(_ context.Context, _ stacksync.Reader, _ stacksync.ChangesParams, r *stacksync.ChangesRows) error {
				r.Members = slices.DeleteFunc(r.Members, pending)
				return nil
			}
		}},
		{name: "takes nobody for a member who was invited", breaks: []string{"Memberships, Load and Changes bring pending members too"}, bend: func(b *bent) {
			b.changes = func(_ context.Context, _ stacksync.Reader, _ stacksync.ChangesParams, r *stacksync.ChangesRows) error {
				if slices.ContainsFunc(r.Members, pending) {
					r.Items = nil
				}
				return nil
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
		{name: "has room for 4,095 bytes of an Error", breaks: []string{anyErrorName}, bend: bendOperations(func() func(op *stacksync.Operation) {
			return func(op *stacksync.Operation) { op.Error = op.Error[:min(len(op.Error), 4095)] }
		})},
		{name: "takes no noncharacters", breaks: []string{anyErrorName}, bend: bendOperations(func() func(op *stacksync.Operation) {
			return func(op *stacksync.Operation) { op.Error = strings.ReplaceAll(op.Error, "\uffff", "\ufffd") }
		})},
		{name: "takes three bytes a character", breaks: []string{anyErrorName}, bend: bendOperations(func() func(op *stacksync.Operation) {
			return func(op *stacksync.Operation) {
				op.Error = strings.Map(func(c rune) rune { return min(c, 0xffff) }, op.Error)
			}
		})},
		{name: "never thaws", breaks: []string{sharedAndNotName}, bend: bendWorkspaces(func(w *stacksync.Workspace, first stacksync.Workspace) {
			w.FrozenUntil = first.FrozenUntil
		})},
		{name: "knows no size", breaks: []string{sharedAndNotName}, bend: bendWorkspaces(func(w *stacksync.Workspace, _ stacksync.Workspace) {
			w.Size = 0
		})},
		{name: "keeps the folder", breaks: []string{sharedAndNotName}, bend: bendWorkspaces(func(w *stacksync.Workspace, first stacksync.Workspace) {
			w.Folder = first.Folder
		})},
		{name: "keeps a workspace encrypted", breaks: []string{sharedAndNotName}, bend: bendWorkspaces(func(w *stacksync.Workspace, first stacksync.Workspace) {
			w.Encrypted = w.Encrypted || first.Encrypted
		})},
		{name: "never lowers a generation", breaks: []string{sharedAndNotName}, bend: bendWorkspaces(func(w *stacksync.Workspace, first stacksync.Workspace) {
			w.KeyGeneration = max(w.KeyGeneration, first.KeyGeneration)
		})},
	}
}

const (
	anyErrorName     = "4 KiB of any characters come back as an operation's Error"
	sharedAndNotName = "size, folder, encryption and freeze of a workspace come back, and are taken back"
)

func pending(m stacksync.Member) bool { return m.Pending }

// bendWorkspaces changes each workspace that is Put, with a look at how it was Put first.
func bendWorkspaces(change func(w *stacksync.Workspace, first stacksync.Workspace)) func(b *bent) {
	return func(b *bent) {
		first := map[stacksync.WorkspaceID]stacksync.Workspace{}
		b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
			p.Workspaces = slices.Clone(p.Workspaces)
			for i, w := range p.Workspaces {
				change(&p.Workspaces[i], firstOf(first, w.ID, w))
			}
			return nil
		}
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
