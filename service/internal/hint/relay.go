package hint

import (
	"context"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// relayPage is how many workspaces, and how many users, with owed hints are claimed in one
// transaction.
const relayPage = 256

// relay sends, once every RelayInterval, the overdue hints of all processes on the store, until the
// service closes. The relays of all processes share the work: a relay leaves alone the hints that
// another relay has claimed, until that claim is overdue too.
func (s *Sender) relay() {
	claiming := alive.Outage{Log: s.kernel.Log, What: "looking for owed hints"}
	for alive.Sleep(s.kernel.Closing, alive.Spread(s.kernel.RelayInterval)) {
		err := alive.Contain(s.payOwed)
		if s.kernel.Closing.Err() == nil {
			claiming.Report(err)
		}
	}
}

// payOwed claims and sends page after page of overdue hints, until none is left or the notifier
// fails.
func (s *Sender) payOwed() error {
	for {
		claimed, err := s.claim(s.kernel.Closing)
		if err != nil {
			return err
		}
		hints := make([]session.Hint, 0, len(claimed.Workspaces)+len(claimed.Users))
		for i := range claimed.Workspaces {
			hints = append(hints, session.WorkspaceHint(&claimed.Workspaces[i]))
		}
		for i := range claimed.Users {
			hints = append(hints, session.UserHint(&claimed.Users[i]))
		}
		// The claim saw only committed rows, and is committed itself by now. So no hint is ahead of
		// the rows that followers can read.
		if len(hints) > 0 && !s.publisher.send(s.kernel.Closing, hints) {
			return nil // the publisher has logged it; the hints are due again later
		}
		if max(len(claimed.Workspaces), len(claimed.Users)) < relayPage {
			return nil
		}
	}
}

// claim takes over a page of overdue hints: for two RelayIntervals no other relay sends them.
func (s *Sender) claim(ctx context.Context) (claimed stacksync.ClaimHintsResult, err error) {
	ctx, end := s.kernel.Observe(ctx, "relay")
	defer func() { end(session.Seen{Err: err, Items: len(claimed.Workspaces) + len(claimed.Users)}) }()
	err = s.kernel.Store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		var err error
		claimed, err = tx.ClaimHints(ctx, stacksync.ClaimHintsParams{Now: s.kernel.Now(), Until: s.kernel.HintDue(), Limit: relayPage})
		return err
	})
	return claimed, err
}
