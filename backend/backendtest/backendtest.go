// Package backendtest checks that a storage back-end keeps the contract of stacksync.StorageProvisioner, ChunkWriter and
// ChunkReader. Call it from a test of the back-end:
//
//	func TestConformance(t *testing.T) {
//		backendtest.Run(t, backendtest.Suite{New: func(t backendtest.T) backendtest.Instance {
//			open := func() stacksync.StorageProvisioner { return mybackend.Open(os.Getenv("MYBACKEND_URL")) }
//			return backendtest.Instance{Storage: open(), Reopen: open}
//		}})
//	}
//
// Each check makes containers of its own with names that nobody else uses, and deletes them at its end, so all checks
// may share one server, and run in parallel. In all they write about 14,000 small chunks, one of 64 MiB, and the content
// that must not be stored.
package backendtest

import (
	"testing"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/conformance"
)

// T is what a check sees of its test: the part of *testing.T that assertions and set-up need. Functions that take a
// testify TestingT accept it.
type T = conformance.T

// Suite says what to check.
type Suite struct {
	// New returns what one check works with. It is called once for each check, from parallel ones; what it opens it
	// closes with t.Cleanup.
	New func(t T) Instance
	// Skips gives the reason for each check that the back-end can't pass, by the name of the check. Such a check is run all
	// the same, logged with its reason, and fails when it starts to pass.
	Skips map[string]string
}

// Instance is a back-end under test.
type Instance struct {
	// Storage must be a stacksync.ChunkWriter and ChunkReader, as stacksync.As finds them: where a back-end is neither,
	// because clients bring and fetch content themselves, a wrapper made for the test adds both.
	Storage stacksync.StorageProvisioner
	// Reopen returns another instance over the same data, while Storage stays open. It may be nil only where the check
	// "Reopen" is skipped.
	Reopen func() stacksync.StorageProvisioner
}

// Run runs each check as a parallel subtest with the name of the check.
func Run(t *testing.T, s Suite) {
	t.Helper()
	conformance.Run(t, s, checks, s.Skips)
}

type check = conformance.Check[Suite]

// checks are in the order of the contract.
var checks = []check{
	{Name: "CreateContainerAgain", Run: createContainerAgain},
	{Name: "DeleteMissingContainer", Run: deleteMissingContainer},
	{Name: "DeleteFullContainer", Run: deleteFullContainer},
	{Name: "MissingContainerReadsEmpty", Run: missingContainerReadsEmpty},
	{Name: "MissingContainerTakesNothing", Run: missingContainerTakesNothing},
	{Name: "ContainersAreApart", Run: containersAreApart},
	{Name: "ContainerNames", Run: containerNames},
	{Name: "BadContainerNames", Run: badContainerNames},

	{Name: "ChunkLife", Run: chunkLife},
	{Name: "SmallSizes", Run: smallSizes},
	{Name: "LargeChunk", Run: largeChunk},
	{Name: "StoredAt", Run: storedAt},
	{Name: "ReadMissingChunk", Run: readMissingChunk},
	{Name: "DeleteMissingChunk", Run: deleteMissingChunk},
	{Name: "ReadWhileDeleted", Run: readWhileDeleted},

	{Name: "OddNames", Run: oddNames},
	{Name: "EveryCharacter", Run: everyCharacter},
	{Name: "LongNames", Run: longNames},
	{Name: "CaseDiffers", Run: caseDiffers},
	{Name: "NamesReachNowhere", Run: namesReachNowhere},
	{Name: "BadNames", Run: badNames},
	{Name: "BadNameHasNoEffect", Run: badNameHasNoEffect},

	{Name: "ShortContent", Run: shortContent},
	{Name: "LongContent", Run: longContent},
	{Name: "BadSize", Run: badSize},
	{Name: "FailingContent", Run: failingContent},
	{Name: "FailingAtTheEnd", Run: failingAtTheEnd},
	{Name: "UnfinishedIsInvisible", Run: unfinishedIsInvisible},
	{Name: "CancelledWrite", Run: cancelledWrite},
	{Name: "CancelledContext", Run: cancelledContext},

	{Name: "WriteAgain", Run: writeAgain},
	{Name: "WriteManyAtOnce", Run: writeManyAtOnce},
	{Name: "WriteSameAtOnce", Run: writeSameAtOnce},

	{Name: "ListPages", Run: listPages},
	{Name: "ListWhileChanging", Run: listWhileChanging},
	{Name: "ListLimits", Run: listLimits},
	{Name: "ManyNames", Run: manyNames},

	{Name: "Copy", Run: copyChunks},
	{Name: "CopyMissing", Run: copyMissing},
	{Name: "CopyOnto", Run: copyOnto},
	{Name: "CopyToItself", Run: copyToItself},

	{Name: "Reopen", Run: reopen},
}
