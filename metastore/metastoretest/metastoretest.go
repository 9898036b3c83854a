// Package metastoretest is the conformance suite of stacksync.MetadataStore: each check is a sentence of the contract in
// metadata.go, and says in its failure what was promised. A store that passes it serves the library.
//
//	func TestStore(t *testing.T) {
//		metastoretest.Run(t, metastoretest.Suite{New: func(t metastoretest.T) metastoretest.Opener {
//			file := filepath.Join(t.TempDir(), "meta.db")
//			return func(t metastoretest.T) stacksync.MetadataStore {
//				store, err := mystore.Open(file)
//				require.NoError(t, err)
//				return store
//			}
//		}})
//	}
//
// A check saves users before their devices, and users and workspaces before what belongs to them, or together with it in
// one Put, so that a store may use foreign keys between those. It removes them the other way round, or together. It refers to
// authors, parents, default workspaces, mounts, and users and workspaces of operations, that nobody has saved, or that are gone.
//
// Where a check has one transaction open and another one beside it, it also accepts a store that runs one Update at a
// time, unless that says by stacksync.ManyWriters that it has more than one writer.
//
// One check compares the store with a model on random data, drawn by pgregory.net/rapid: a failure prints the shortest
// failing sequence that was found and the flags to repeat it, and keeps it in testdata/rapid, from where it is tried
// first the next time. The flag -rapid.checks sets how many sequences are tried.
//
// Under the race detector, checks of thousands of rows have a quarter of those that are promised, and say so: run the suite without it too.
//
// The package also has wrappers for tests of what uses a store: Twice runs each closure twice, Faulty fails where it is told.
package metastoretest

import (
	"slices"
	"testing"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/conformance"
)

// T is what a check, and so Suite.New, sees of its test. testify's assert and require accept it.
type T = conformance.T

// Opener opens a handle on one database. A check may call it again while the handles before are open, or after it closed
// them: each handle works on the same rows. The check closes every handle. Where opening fails, the Opener ends the check with t.
type Opener func(t T) stacksync.MetadataStore

// Suite says what to check.
type Suite struct {
	// New makes a fresh, empty database for one check and returns what opens it. Checks run in parallel, so that New is
	// called from many goroutines. It cleans up with t.Cleanup: that runs when all handles are closed.
	New func(t T) Opener
	// Skips gives the reason for each check, by name, that the store can't pass. Such a check is run all the same, and must fail.
	Skips map[string]string
	// Many is how many rows the checks of large calls have. Defaults to the 10,000 that are promised. Fewer, but 100 or more, are for runs
	// that must be short.
	Many int
	// Only, where set, tells by its name whether a check is run: for a store that passes the whole suite already, in another configuration.
	Only func(check string) bool

	patience, grace time.Duration // 0: the defaults
}

// Run checks a store. Each check is a parallel subtest.
func Run(t *testing.T, s Suite) {
	t.Helper()
	all := checks()
	if s.Only != nil {
		if all = slices.DeleteFunc(all, func(c check) bool { return !s.Only(c.Name) }); len(all) == 0 {
			t.Fatal("Only leaves no check")
		}
	}
	conformance.Run(t, s, all, s.Skips)
}

type check = conformance.Check[Suite]

func checks() []check {
	return slices.Concat(
		accountChecks(), memberChecks(), accessChecks(), loadChecks(), treeChecks(), pageChecks(), changesChecks(), changesAccessChecks(),
		directChecks(), putChecks(), valueChecks(), sharingValueChecks(), outboxChecks(), outboxLockChecks(), journalChecks(),
		journalStoppedChecks(), journalClaimChecks(), journalLockChecks(), removeChecks(), purgeChecks(), bulkChecks(), bulkWriteChecks(), txChecks(),
		lockChecks(), busyChecks(), handleChecks(), concurrencyChecks(), gapChecks(), deadlockChecks(), modelChecks(),
	)
}
