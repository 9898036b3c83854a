// Package notifytest checks that a stacksync.Notifier keeps the contract. One call in a test of the notifier does it:
//
//	func TestContract(t *testing.T) {
//		notifytest.Run(t, notifytest.Suite{New: func(t notifytest.T) notifytest.Instance {
//			return notifytest.Instance{Notifier: mynotifier.New(…), Second: …, Break: …}
//		}})
//	}
//
// The checks run in parallel, and each uses topics of its own, so that all of them (and other runs) may share one broker.
// None of them sleeps: they wait for what must come, and give up after half a minute.
//
// Run them with -race, and with a check of the caller's own that no goroutine is left over at the end.
package notifytest

import (
	"testing"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/conformance"
)

// T is what New sees of the test it is called in; *testing.T implements it.
type T = conformance.T

// Suite says what to check.
type Suite struct {
	// New opens a notifier for one check. It is called once a check, from many goroutines, and fails the test through t.
	New func(t T) Instance
	// Skips gives a reason for each check, by its name, that the notifier can't pass. Such a check is run all the same,
	// and it is an error if it passes.
	Skips map[string]string
}

// Instance is a notifier to be checked.
type Instance struct {
	// Notifier must not have been used. The suite closes it.
	Notifier stacksync.Notifier
	// Second opens another handle on the same medium, as another process would: another connection to the same broker.
	// The suite closes it. A notifier that has no medium leaves it nil and skips NeedsSecond.
	Second func() stacksync.Notifier
	// Break cuts the connection under the subscriptions of Notifier, as a failing network would, and returns once it is
	// cut; the notifier can connect again at once. A notifier that has no connection leaves it nil and skips NeedsBreak.
	Break func()
}

// The checks that need the optional parts of an Instance, for Suite.Skips.
const (
	NeedsSecond = "hints travel between two handles"
	NeedsBreak  = "a broken connection shows as a gap on every topic"
)

// Run checks the notifier, each promise of the contract in a parallel subtest of its own.
func Run(t *testing.T, s Suite) {
	t.Helper()
	conformance.Run(t, s, checks(), s.Skips)
}

type check = conformance.Check[Suite]

func checks() []check {
	return []check{
		{Name: "a hint reaches every subscription of its topic", Run: reachesEverySubscription},
		{Name: "a subscription gets its own topics only", Run: ownTopicsOnly},
		{Name: "any user id makes a topic", Run: oddTopics},
		{Name: "one publish carries many hints", Run: manyHints},
		{Name: "revisions arrive as they are", Run: revisionsArrive},
		{Name: "a publish of nothing does nothing", Run: emptyPublish},
		{Name: "a publish nobody listens to harms nobody", Run: nobodyListens},
		{Name: "a topic named twice counts once", Run: repeatedTopic},
		{Name: "a subscription needs a topic", Run: noTopics},
		{Name: "a new subscription follows a closed one", Run: subscribeAgain},

		{Name: "an unread subscription holds one hint a topic", Run: coalesces},
		{Name: "a slow subscription holds up nobody", Run: slowSubscription},
		{Name: "a busy topic starves no other", Run: busyTopic},
		{Name: "nothing is lost in a crowd", Run: crowd},

		{Name: "Next returns the error of a context that has ended", Run: endedContext},
		{Name: "Next returns when its context ends", Run: endingContext},
		{Name: "closing a subscription wakes its Next", Run: closeWakesNext},
		{Name: "closing a subscription leaves the others alone", Run: closeSparesOthers},
		{Name: "closing the notifier wakes every Next", Run: notifierCloseWakesNext},
		{Name: "closed is closed", Run: closedIsClosed},
		{Name: "anything may be called while closing", Run: concurrentClose},

		{Name: NeedsSecond, Run: secondHandle},
		{Name: NeedsBreak, Run: brokenConnection},
	}
}
