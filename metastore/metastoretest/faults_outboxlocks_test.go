package metastoretest

import (
	"context"

	"github.com/stacksync/stacksync-go"
)

func outboxLockFaults() []fault {
	return []fault{
		{
			name: "waits for locks to claim", hangs: true,
			breaks: []string{
				"ClaimHints passes over what another transaction has locked, without waiting",
				"ClaimHints passes over what another transaction has claimed or marked",
				"ClaimHints passes over users that another transaction has locked, without waiting",
				"ClaimHints passes over users that another transaction has claimed or marked",
			},
			open: shared(func(l *loose) { l.waitsToClaim = true }),
		},
		{
			name: "claims without a lock",
			breaks: []string{
				"ClaimHints passes over what another transaction has locked, without waiting",
				"ClaimHints passes over what another transaction has claimed or marked",
				"concurrent Claims never return a workspace twice",
				"concurrent Claims through two handles never return a workspace twice",
				"a Put waits for who has claimed a workspace, and neither loses its work",
				"ClaimHints passes over users that another transaction has locked, without waiting",
				"ClaimHints passes over users that another transaction has claimed or marked",
				"concurrent Claims never return a user twice",
				"a Put waits for who has claimed a user, and neither loses its work",
			},
			open: shared(func(l *loose) { l.claimsBlindly = true }),
		},
		{
			name:   "has locks of its own in each handle",
			breaks: []string{"concurrent Claims through two handles never return a workspace twice"},
			open:   separate,
		},
		{
			name: "marks without a lock",
			breaks: []string{
				"MarkNotified waits for who has locked a workspace, and neither loses its work",
				"a Put waits for who has marked a workspace, and neither loses its work",
				"MarkNotified waits for who has locked a user, and neither loses its work",
				"a Put waits for who has marked a user, and neither loses its work",
			},
			open: shared(func(l *loose) { l.marksBlindly = true }),
		},
		{
			name:  "marks a row that it has read before it had the lock",
			hangs: true, // so that it does not wait long: who marks is held off
			breaks: []string{
				"MarkNotified waits for who has locked a workspace, and neither loses its work",
			},
			bend: func(b *bent) {
				before := map[stacksync.WorkspaceID]stacksync.Workspace{}
				b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
					for _, w := range p.Workspaces {
						firstOf(before, w.ID, w)
					}
					return nil
				}
				b.mark = func(ctx context.Context, below stacksync.Tx, p stacksync.MarkNotifiedParams) error {
					return caught(func() {
						workspaceBender().putMarked(changeIn(ctx, below), p, func(w stacksync.Workspace, revision int64) stacksync.Workspace {
							w = before[w.ID]
							w.Notified, w.HintDue = revision, p.Due
							return w
						})
					})
				}
			},
		},
		{
			name: "locks what it marks in no order", hangs: true,
			breaks: []string{
				"concurrent MarkNotifieds of many workspaces don't deadlock", "concurrent MarkNotifieds of many users and workspaces don't deadlock",
			},
			open: shared(func(l *loose) { l.marksAsAsked = true }),
		},
	}
}
