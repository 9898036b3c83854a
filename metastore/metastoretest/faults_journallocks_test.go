package metastoretest

import (
	"context"
	"errors"
	"slices"

	"github.com/stacksync/stacksync-go"
)

func journalLockFaults() []fault {
	return []fault{
		{
			name: "does not lock operations",
			breaks: []string{
				"Lock holds off those that lock one of the same operations",
				"Lock of an operation waits no longer than Wait, then returns ErrBusy",
				"ClaimOperations passes over what another transaction has locked, without waiting",
				"a Lock waits for who has claimed an operation, and then sees the claim",
			},
			open: shared(func(l *loose) { l.noOperations = true }),
		},
		{
			name: "has its own error for operations that are busy", breaks: []string{"Lock of an operation waits no longer than Wait, then returns ErrBusy"},
			open: shared(func(l *loose) { l.ownBusy = true }),
		},
		{name: "wants to know what it locks", breaks: []string{"Lock ignores unknown operations and repeated ids"}, bend: func(b *bent) {
			b.lock = func(ctx context.Context, below stacksync.Tx, p stacksync.LockParams) error {
				if len(p.Operations) == 0 {
					return nil
				}
				known, err := below.Operations(ctx, stacksync.OperationsParams{IDs: p.Operations, Limit: len(p.Operations)})
				for _, id := range p.Operations {
					if err == nil && !slices.Contains(operationIDs(known.Operations...), id) {
						err = errors.New("no such operation")
					}
				}
				return err
			}
		}},
		{
			name: "locks operations in the order asked", hangs: true,
			breaks: []string{
				"Lock ignores unknown operations and repeated ids", "Locks of workspaces, users and operations, beside claims, don't deadlock",
			},
			open: shared(func(l *loose) { l.asAsked = true }),
		},
		{
			name: "reads an operation of an old snapshot after Lock", breaks: []string{"reads after Lock see the operation as it was committed before"},
			open: shared(func(l *loose) { l.snapshot = true }),
		},
		{
			name: "waits for locks to claim operations", hangs: true,
			breaks: []string{
				"ClaimOperations passes over what another transaction has locked, without waiting",
				"ClaimOperations passes over what another transaction has claimed",
			},
			open: shared(func(l *loose) { l.waitsToClaim = true }),
		},
		{
			name: "claims operations without a lock",
			breaks: []string{
				"ClaimOperations passes over what another transaction has locked, without waiting",
				"ClaimOperations passes over what another transaction has claimed",
				"concurrent ClaimOperations never return an operation twice",
				"concurrent ClaimOperations through two handles never return an operation twice",
				"a Lock waits for who has claimed an operation, and then sees the claim",
			},
			open: shared(func(l *loose) { l.claimsBlindly = true }),
		},
		{
			name:   "has locks of operations in each handle",
			breaks: []string{"concurrent ClaimOperations through two handles never return an operation twice"},
			open:   separate,
		},
	}
}
