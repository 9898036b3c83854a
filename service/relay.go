package service

import (
	"context"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
)

// relayPage is how many owed hints are claimed in one transaction.
const relayPage = 256

// relay sends, once every RelayInterval, the hints that somebody owes for too long, until the service closes. The relays of all processes
// on a store share the work: what one has claimed the others leave alone, unless it takes too long as well.
func (s *Service) relay() {
	claiming := alive.Outage{Log: s.log, What: "looking for owed hints"}
	for s.sleep(alive.Spread(s.cfg.RelayInterval)) {
		err := alive.Contain(s.payOwed)
		if s.closing.Err() == nil {
			claiming.Report(err)
		}
	}
}

// payOwed sends all hints that are due, or those before the first that it can't send.
func (s *Service) payOwed() error {
	for {
		claimed, err := s.claim(s.closing)
		if err != nil {
			return err
		}
		hints := make([]hint, 0, len(claimed.Workspaces)+len(claimed.Users))
		for i := range claimed.Workspaces {
			hints = append(hints, workspaceHint(&claimed.Workspaces[i]))
		}
		for i := range claimed.Users {
			hints = append(hints, userHint(&claimed.Users[i]))
		}
		// Only what is committed was claimed, and the claim is too by now: no hint is ahead of what followers can read.
		if len(hints) > 0 && !s.hints.send(s.closing, hints) {
			return nil // the publisher has logged it; they are due again later
		}
		if max(len(claimed.Workspaces), len(claimed.Users)) < relayPage {
			return nil
		}
	}
}

// claim takes on a page of owed hints.
func (s *Service) claim(ctx context.Context) (claimed stacksync.ClaimHintsResult, err error) {
	ctx, end := s.observe(ctx, "relay")
	defer func() { end(Observation{Err: err, Items: len(claimed.Workspaces) + len(claimed.Users)}) }()
	err = s.store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		var err error
		claimed, err = tx.ClaimHints(ctx, stacksync.ClaimHintsParams{Now: s.now(), Until: s.hintDue(), Limit: relayPage})
		return err
	})
	return claimed, err
}

// hintDue is until when the one who now undertakes to send a hint has time for it.
func (s *Service) hintDue() time.Time { return s.now().Add(2 * s.cfg.RelayInterval) }

// sleep waits for d. It reports false, at once, when the service closes.
func (s *Service) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.closing.Done():
		return false
	}
}
