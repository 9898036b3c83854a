package metastoretest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stacksync/stacksync-go"
)

func journalFaults() []fault {
	return []fault{
		{name: "looks for operations by Workspace only", breaks: []string{"Operations are read by id, workspace, source and user"}, bend: bendFound(
			func(p stacksync.OperationsParams, found []stacksync.Operation) []stacksync.Operation {
				return slices.DeleteFunc(found, func(op stacksync.Operation) bool {
					return !slices.Contains(p.IDs, op.ID) && !slices.Contains(p.Workspaces, op.Workspace) && !slices.Contains(p.Users, op.User)
				})
			},
		)},
		{name: "takes empty lists for all operations", breaks: []string{"Operations are read by id, workspace, source and user"}, bend: func(b *bent) {
			var put []stacksync.UserID
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				for _, op := range p.Operations {
					put = append(put, op.User)
				}
				return nil
			}
			b.operations = func(ctx context.Context, below stacksync.Reader, p stacksync.OperationsParams) (stacksync.OperationsResult, error) {
				if len(p.IDs)+len(p.Workspaces)+len(p.Users) == 0 {
					p.Users = put
				}
				return below.Operations(ctx, p)
			}
		}},
		{name: "finds an operation by each of its workspaces", breaks: []string{"Operations brings each once, whoever asks"}, bend: bendFound(
			func(p stacksync.OperationsParams, found []stacksync.Operation) (all []stacksync.Operation) {
				for _, op := range found {
					all = append(all, op)
					if slices.Contains(p.Workspaces, op.Workspace) && slices.Contains(p.Workspaces, op.Source) {
						all = append(all, op)
					}
				}
				return all
			},
		)},
		{name: "orders operations of one time by id, ascending", breaks: []string{"Operations come newest first, then by id, at most Limit"}, bend: bendFound(
			func(_ stacksync.OperationsParams, found []stacksync.Operation) []stacksync.Operation {
				slices.SortFunc(found, func(a, b stacksync.Operation) int {
					if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
						return c
					}
					return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:])
				})
				return found
			},
		)},
		{name: "has a Limit for each key", breaks: []string{"Operations come newest first, then by id, at most Limit"}, bend: func(b *bent) {
			b.operations = func(ctx context.Context, below stacksync.Reader, p stacksync.OperationsParams) (all stacksync.OperationsResult, err error) {
				for _, part := range []stacksync.OperationsParams{{IDs: p.IDs}, {Workspaces: p.Workspaces}, {Users: p.Users}} {
					part.State, part.Limit = p.State, p.Limit
					found, err := below.Operations(ctx, part)
					if err != nil {
						return found, err
					}
					for _, op := range found.Operations {
						if !slices.Contains(operationIDs(all.Operations...), op.ID) {
							all.Operations = append(all.Operations, op)
						}
					}
				}
				all.Operations = newestFirst(all.Operations...)
				return all, nil
			}
		}},
		{name: "counts operations of other states", breaks: []string{"Operations leaves out those in other states, before it counts"}, bend: func(b *bent) {
			b.operations = func(ctx context.Context, below stacksync.Reader, p stacksync.OperationsParams) (stacksync.OperationsResult, error) {
				state := p.State
				p.State = 0
				result, err := below.Operations(ctx, p)
				result.Operations = slices.DeleteFunc(result.Operations, func(op stacksync.Operation) bool { return state != 0 && op.State != state })
				return result, err
			}
		}},
		{name: "has a default for Operations's Limit", breaks: []string{"an Operations with a Limit below 1 is refused"}, bend: func(b *bent) {
			b.operations = func(ctx context.Context, below stacksync.Reader, p stacksync.OperationsParams) (stacksync.OperationsResult, error) {
				p.Limit = max(1, p.Limit)
				return below.Operations(ctx, p)
			}
		}},
		{
			name: "files an operation once", breaks: []string{"an operation is replaced, in all fields and for whatever it is asked by"},
			bend: bendOperations(func() func(op *stacksync.Operation) {
				first := map[stacksync.OperationID]stacksync.UserID{}
				return func(op *stacksync.Operation) { op.User = firstOf(first, op.ID, op.User) }
			}),
		},
		{name: "removes operations with their workspace", breaks: []string{"an operation may name what nobody has saved, and outlives what it names"}, bend: func(b *bent) {
			b.remove = func(ctx context.Context, below stacksync.Tx, p stacksync.RemoveParams) error {
				named, err := below.Operations(ctx, stacksync.OperationsParams{Workspaces: p.Workspaces, Limit: 1000})
				if err != nil {
					return err
				}
				p.Operations = append(slices.Clone(p.Operations), operationIDs(named.Operations...)...)
				_, err = below.Remove(ctx, p)
				return err
			}
		}},
		{name: "wants to know what an operation is about", breaks: []string{"an operation may be about no workspace"}, bend: func(b *bent) {
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				if slices.ContainsFunc(p.Operations, func(op stacksync.Operation) bool { return op.Workspace.IsZero() }) {
					return errors.New("an operation is about no workspace")
				}
				return nil
			}
		}},
		{name: "keeps what an operation was about", breaks: []string{"an operation may be about no workspace"}, bend: bendOperations(
			func() func(op *stacksync.Operation) {
				last := map[stacksync.OperationID]stacksync.WorkspaceID{}
				return func(op *stacksync.Operation) {
					if op.Workspace.IsZero() {
						op.Workspace = last[op.ID]
					}
					last[op.ID] = op.Workspace
				}
			},
		)},
		{name: "wants to know who asks", breaks: []string{"an operation may name what nobody has saved, and outlives what it names"}, bend: func(b *bent) {
			b.put = func(ctx context.Context, below stacksync.Tx, p *stacksync.PutParams) error {
				for _, op := range p.Operations {
					known, err := below.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{op.User}})
					if err != nil {
						return err
					}
					if len(known.Users) == 0 {
						return errors.New("foreign key: no such user")
					}
				}
				return nil
			}
		}},
	}
}

func journalClaimFaults() []fault {
	return []fault{
		{name: "claims operations that are not due yet", breaks: []string{
			"ClaimOperations returns the running operations that are due", "ClaimOperations sets Due and counts Fence up",
			"random transactions answer as a model does",
		}, bend: bendClaimOperations(func(p *stacksync.ClaimOperationsParams) { p.Now = p.Now.Add(time.Minute) })},
		{name: "claims operations that are due before Now only", breaks: []string{
			"ClaimOperations returns the running operations that are due", "an operation is claimed as its transaction has left it",
		}, bend: bendClaimOperations(func(p *stacksync.ClaimOperationsParams) { p.Now = p.Now.Add(-time.Microsecond) })},
		{
			name:   "claims what stands still",
			breaks: []string{"ClaimOperations returns the running operations that are due", "an operation is claimed as its transaction has left it"},
			bend: bendOperations(func() func(op *stacksync.Operation) {
				return func(op *stacksync.Operation) {
					if op.State == stacksync.OperationStopped {
						op.State = stacksync.OperationRunning
					}
				}
			}),
		},
		{name: "returns the Fence of who had it before", breaks: []string{"ClaimOperations sets Due and counts Fence up"}, bend: bendClaimed(
			func(_ stacksync.ClaimOperationsParams, claimed []stacksync.Operation) []stacksync.Operation {
				for i := range claimed {
					claimed[i].Fence--
				}
				return claimed
			},
		)},
		{name: "claims without setting Due", breaks: []string{"ClaimOperations sets Due and counts Fence up"}, bend: func(b *bent) {
			b.claimOperations = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimOperationsParams) (stacksync.ClaimOperationsResult, error) {
				until := p.Until
				p.Until = p.Now
				result, err := below.ClaimOperations(ctx, p)
				for i := range result.Operations {
					result.Operations[i].Due = until
				}
				return result, err
			}
		}},
		{name: "claims the shortest due operations first", breaks: []string{"ClaimOperations takes the longest due first"}, bend: func(b *bent) {
			b.claimOperations = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimOperationsParams) (stacksync.ClaimOperationsResult, error) {
				limit := p.Limit
				p.Limit = 1000
				result, err := below.ClaimOperations(ctx, p)
				result.Operations = result.Operations[max(0, len(result.Operations)-limit):]
				return result, err
			}
		}},
		{name: "has a default for ClaimOperations's Limit", breaks: []string{"a ClaimOperations with a Limit below 1 is refused"}, bend: bendClaimOperations(
			func(p *stacksync.ClaimOperationsParams) { p.Limit = max(1, p.Limit) },
		)},
		{name: "claims operations that are committed only", breaks: []string{"an operation is claimed as its transaction has left it"}, bend: func(b *bent) {
			b.claimOperations = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimOperationsParams) (stacksync.ClaimOperationsResult, error) {
				result, err := below.ClaimOperations(ctx, p)
				if err != nil || len(result.Operations) == 0 {
					return result, err
				}
				err = b.MetadataStore.View(ctx, func(ctx context.Context, committed stacksync.Reader) error {
					known, err := committed.Operations(ctx, all(result.Operations...))
					result.Operations = slices.DeleteFunc(result.Operations, func(op stacksync.Operation) bool {
						return !slices.Contains(operationIDs(known.Operations...), op.ID)
					})
					return err
				})
				return result, err
			}
		}},
		{name: "remembers a ClaimOperations that failed", breaks: []string{"a failed Update has claimed no operation"}, bend: func(b *bent) {
			before := map[stacksync.OperationID]bool{}
			bendClaimed(func(_ stacksync.ClaimOperationsParams, claimed []stacksync.Operation) []stacksync.Operation {
				return slices.DeleteFunc(claimed, func(op stacksync.Operation) bool {
					seen := before[op.ID]
					before[op.ID] = true
					return seen
				})
			})(b)
		}},
		{name: "claims one operation too few", breaks: []string{"thousands of operations in one ClaimOperations"}, bend: bendClaimOperations(
			func(p *stacksync.ClaimOperationsParams) { p.Limit = min(faultRows-1, p.Limit) },
		)},
	}
}

// bendFound changes what Operations answers.
func bendFound(change func(p stacksync.OperationsParams, found []stacksync.Operation) []stacksync.Operation) func(b *bent) {
	return func(b *bent) {
		b.operations = func(ctx context.Context, below stacksync.Reader, p stacksync.OperationsParams) (stacksync.OperationsResult, error) {
			result, err := below.Operations(ctx, p)
			if err == nil {
				result.Operations = change(p, slices.Clone(result.Operations))
			}
			return result, err
		}
	}
}

func bendClaimOperations(change func(p *stacksync.ClaimOperationsParams)) func(b *bent) {
	return func(b *bent) {
		b.claimOperations = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimOperationsParams) (stacksync.ClaimOperationsResult, error) {
			change(&p)
			return below.ClaimOperations(ctx, p)
		}
	}
}

// bendClaimed changes what ClaimOperations answers.
func bendClaimed(change func(p stacksync.ClaimOperationsParams, claimed []stacksync.Operation) []stacksync.Operation) func(b *bent) {
	return func(b *bent) {
		b.claimOperations = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimOperationsParams) (stacksync.ClaimOperationsResult, error) {
			result, err := below.ClaimOperations(ctx, p)
			if err == nil {
				result.Operations = change(p, slices.Clone(result.Operations))
			}
			return result, err
		}
	}
}
