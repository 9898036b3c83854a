package notifytest

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func suiteWith(f fault) Suite {
	return Suite{New: func(T) Instance {
		b := &broker{fault: f}
		h := b.open()
		return Instance{Notifier: h, Second: func() stacksync.Notifier { return b.open() }, Break: h.cut}
	}}
}

func TestRunPassesWhatKeepsTheContract(t *testing.T) {
	t.Parallel()
	Run(t, suiteWith(""))
}

// TestEveryCheckFindsItsFaults runs each check on notifiers with just one fault, which it is there to find.
func TestEveryCheckFindsItsFaults(t *testing.T) {
	t.Parallel()
	faults := map[string][]fault{
		"a hint reaches every subscription of its topic": {"tells the first subscription only", "subscribes to a topic only once"},
		"a subscription gets its own topics only":        {"all topics are one"},
		"any user id makes a topic":                      {"topics are patterns", "case does not matter", "long topics are cut"},
		"one publish carries many hints":                 {"loses the end of a long publish"},
		"revisions arrive as they are":                   {"zero is no revision", "revisions are 32 bits", "a gap comes out of nothing"},
		"a publish of nothing does nothing":              {"refuses an empty publish"},
		"a publish nobody listens to harms nobody":       {"fails when nobody listens"},
		"a topic named twice counts once":                {"a repeated topic takes its neighbours along"},
		"a subscription needs a topic":                   {"subscribes to nothing"},
		"a new subscription follows a closed one":        {"subscribes to a topic only once"},

		"an unread subscription holds one hint a topic": {"queues everything", "keeps the first of two hints", "keeps the latter of two hints"},
		"a slow subscription holds up nobody":           {"waits for slow subscriptions"},
		"a busy topic starves no other":                 {"the first topic goes first"},
		"nothing is lost in a crowd":                    {"tells the first subscription only", "closing a subscription closes its neighbours"},

		"Next returns the error of a context that has ended": {"an ended context closes", "an ended context eats a hint"},
		"Next returns when its context ends":                 {"an ended context closes", "an ended context ends the subscription"},
		"closing a subscription wakes its Next":              {"closing a subscription wakes nobody"},
		"closing a subscription leaves the others alone":     {"closing a subscription closes its neighbours"},
		"closing the notifier wakes every Next":              {"closing the notifier wakes nobody"},
		"closed is closed": {
			"hands out hints after close", "publish after close", "subscribe after close",
			"second close of a subscription fails", "second close of the notifier fails",
		},
		"anything may be called while closing": {"second close of a subscription fails", "second close of the notifier fails"},
		NeedsSecond:                            {"keeps hints to its own handle"},
		NeedsBreak: {
			"stays silent about a gap", "tells of a gap on one topic only", "is deaf after a gap", "comes back once only",
		},
	}
	for _, c := range checks() {
		assert.NotEmpty(t, faults[c.Name], "nothing shows that the check %q can fail", c.Name)
		for _, f := range faults[c.Name] {
			t.Run(string(f)+", "+c.Name, func(t *testing.T) {
				t.Parallel()
				assert.True(t, fails(t, c, suiteWith(f)))
			})
		}
	}
}

func TestOptionalPartsMustBeSkippedAloud(t *testing.T) {
	t.Parallel()
	bare := Suite{New: func(T) Instance { return Instance{Notifier: (&broker{}).open()} }}
	for _, name := range []string{NeedsSecond, NeedsBreak} {
		i := slices.IndexFunc(checks(), func(c check) bool { return c.Name == name })
		require.GreaterOrEqual(t, i, 0)
		assert.True(t, fails(t, checks()[i], bare), name)
	}
}

// fails reports whether the check fails. It runs in a bubble, where patience is at its end as soon as everybody waits.
func fails(t *testing.T, c check, s Suite) bool {
	r := &recorder{}
	synctest.Test(t, func(t *testing.T) {
		r.T = t
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(r, s)
		}()
		<-done
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// recorder notes that a check failed, and keeps it from failing the test.
type recorder struct {
	*testing.T
	mu     sync.Mutex
	failed bool
}

func (r *recorder) Errorf(string, ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
}

func (r *recorder) FailNow() {
	r.Errorf("")
	runtime.Goexit()
}
