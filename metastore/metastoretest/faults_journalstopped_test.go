package metastoretest

import (
	"context"
	"math"
	"slices"

	"github.com/stacksync/stacksync-go"
)

func journalStoppedFaults() []fault {
	const all = "StoppedOperations returns what has stopped, whoever's it is, and nothing else"
	const order = "StoppedOperations come oldest first, then by id, at most Limit"
	const follows = "StoppedOperations follows what is Put and removed, once that is committed"
	return []fault{
		{name: "shows what was undone as stopped", breaks: []string{all}, bend: bendStoppedWith(func(op stacksync.Operation) bool {
			return op.State == stacksync.OperationUndone
		})},
		{name: "shows what is done as stopped", breaks: []string{all}, bend: bendStoppedWith(func(op stacksync.Operation) bool {
			return op.State == stacksync.OperationDone
		})},
		{name: "shows what runs as stopped", breaks: []string{all, order, follows, "random transactions answer as a model does"}, bend: bendStoppedWith(
			func(op stacksync.Operation) bool { return op.State == stacksync.OperationRunning },
		)},
		{name: "lists what has stopped by workspace", breaks: []string{all}, bend: bendStopped(
			func(stopped []stacksync.Operation) []stacksync.Operation {
				return slices.DeleteFunc(stopped, func(op stacksync.Operation) bool { return op.Workspace.IsZero() })
			},
		)},
		{name: "lists what has stopped for each of its workspaces", breaks: []string{all}, bend: bendStopped(
			func(stopped []stacksync.Operation) (each []stacksync.Operation) {
				for _, op := range stopped {
					each = append(each, op)
					if op.Workspace == op.Source && !op.Source.IsZero() {
						each = append(each, op)
					}
				}
				return each
			},
		)},
		{name: "lists what has stopped newest first", breaks: []string{order}, bend: bendStopped(
			func(stopped []stacksync.Operation) []stacksync.Operation { return newestFirst(stopped...) },
		)},
		{name: "lists what has stopped by time only", breaks: []string{order}, bend: bendStopped(
			func(stopped []stacksync.Operation) []stacksync.Operation {
				slices.Reverse(stopped)
				slices.SortStableFunc(stopped, func(a, b stacksync.Operation) int { return a.CreatedAt.Compare(b.CreatedAt) })
				return stopped
			},
		)},
		{name: "lists what has stopped by its last change", breaks: []string{order}, bend: bendStopped(
			func(stopped []stacksync.Operation) []stacksync.Operation {
				slices.SortStableFunc(stopped, func(a, b stacksync.Operation) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
				return stopped
			},
		)},
		{name: "knows no Limit of what has stopped", breaks: []string{order}, bend: bendStoppedParams(func(p *stacksync.StoppedOperationsParams) {
			if p.Limit > 0 {
				p.Limit = math.MaxInt32
			}
		})},
		{name: "has a default for StoppedOperations's Limit", breaks: []string{"a StoppedOperations with a Limit below 1 is refused"}, bend: bendStoppedParams(
			func(p *stacksync.StoppedOperationsParams) { p.Limit = max(1, p.Limit) },
		)},
		{name: "returns one operation too few of what has stopped", breaks: []string{"thousands of rows of a kind in one call"}, bend: bendStoppedParams(
			func(p *stacksync.StoppedOperationsParams) { p.Limit = min(faultRows-2, p.Limit) },
		)},
		{name: "lists what has stopped and is committed only", breaks: []string{all, order, follows}, bend: func(b *bent) {
			b.stopped = func(ctx context.Context, _ stacksync.Reader, p stacksync.StoppedOperationsParams) (found stacksync.StoppedOperationsResult, err error) {
				err = b.MetadataStore.View(ctx, func(ctx context.Context, committed stacksync.Reader) error {
					found, err = committed.StoppedOperations(ctx, p)
					return err
				})
				return found, err
			}
		}},
		{name: "lists what has stopped when that was undone", breaks: []string{follows}, bend: func(b *bent) {
			var put []stacksync.Operation // whether or not the transaction commits
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				put = append(slices.Clone(p.Operations), put...)
				return nil
			}
			bendStopped(func(stopped []stacksync.Operation) []stacksync.Operation {
				for _, op := range put {
					if op.State == stacksync.OperationStopped && !slices.Contains(operationIDs(stopped...), op.ID) {
						stopped = append(stopped, op)
					}
				}
				return oldestFirst(stopped...)
			})(b)
		}},
		{name: "lists what has stopped where it stood first", breaks: []string{follows}, bend: func(b *bent) {
			var order []stacksync.OperationID
			bendStopped(func(stopped []stacksync.Operation) []stacksync.Operation {
				for _, id := range operationIDs(stopped...) {
					if !slices.Contains(order, id) {
						order = append(order, id)
					}
				}
				slices.SortFunc(stopped, func(a, b stacksync.Operation) int { return slices.Index(order, a.ID) - slices.Index(order, b.ID) })
				return stopped
			})(b)
		}},
	}
}

func bendStoppedParams(change func(p *stacksync.StoppedOperationsParams)) func(b *bent) {
	return func(b *bent) {
		b.stopped = func(ctx context.Context, below stacksync.Reader, p stacksync.StoppedOperationsParams) (stacksync.StoppedOperationsResult, error) {
			change(&p)
			return below.StoppedOperations(ctx, p)
		}
	}
}

// bendStopped changes what StoppedOperations answers.
func bendStopped(change func(stopped []stacksync.Operation) []stacksync.Operation) func(b *bent) {
	return func(b *bent) {
		b.stopped = func(ctx context.Context, below stacksync.Reader, p stacksync.StoppedOperationsParams) (stacksync.StoppedOperationsResult, error) {
			result, err := below.StoppedOperations(ctx, stacksync.StoppedOperationsParams{Limit: p.Limit + 1000})
			if err == nil {
				result.Operations = change(slices.Clone(result.Operations))
				result.Operations = result.Operations[:min(p.Limit, len(result.Operations))]
			}
			return result, err
		}
	}
}

// bendStoppedWith adds operations that were Put to those that have stopped.
func bendStoppedWith(too func(op stacksync.Operation) bool) func(b *bent) {
	return func(b *bent) {
		var put []stacksync.OperationID
		b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
			put = append(put, operationIDs(p.Operations...)...)
			return nil
		}
		b.stopped = func(ctx context.Context, below stacksync.Reader, p stacksync.StoppedOperationsParams) (stacksync.StoppedOperationsResult, error) {
			result, err := below.StoppedOperations(ctx, p)
			if err != nil || len(put) == 0 {
				return result, err
			}
			known, err := below.Operations(ctx, stacksync.OperationsParams{IDs: put, Limit: len(put)})
			stopped := append(slices.Clone(result.Operations), slices.DeleteFunc(slices.Clone(known.Operations), func(op stacksync.Operation) bool { return !too(op) })...)
			stopped = oldestFirst(stopped...)
			return stacksync.StoppedOperationsResult{Operations: stopped[:min(p.Limit, len(stopped))]}, err
		}
	}
}
