// Package backendtest checks that a storage back-end keeps the contract of stacksync.StorageProvisioner, and of the capabilities that it
// has beside it. Call it from a test of the back-end:
//
//	func TestConformance(t *testing.T) {
//		backendtest.Run(t, backendtest.Suite{
//			New: func(t backendtest.T) backendtest.Instance {
//				open := func() stacksync.StorageProvisioner {
//					s, err := mybackend.Open(os.Getenv("MYBACKEND_URL"), mybackend.Config{})
//					require.NoError(t, err)
//					t.Cleanup(func() { require.NoError(t, s.Close()) })
//					return s
//				}
//				return backendtest.Instance{Storage: open(), Reopen: open, Dial: dial}
//			},
//			Signs:    true,
//			Accounts: true,
//			Skips:    map[string]string{"SignedPutSize": "the server's signatures don't cover the length"},
//		})
//	}
//
// # What to write for each capability
//
// Content through the host (stacksync.ChunkWriter and ChunkReader): nothing more. The suite needs both of every back-end, to bring and to
// look at content; where one has neither, wrap it in the test.
//
// Signed requests (stacksync.ChunkSigner): set Suite.Signs. The suite sends the requests itself, by net/http, as a device does, and
// as an intruder does who has got hold of one. What the storage's signatures can't promise goes to Suite.Skips: that a put
// replaces nothing ("SignedPutKeeps"), and that it has the size and the content it was signed for ("SignedPutSize", "SignedPutContent").
//
// Accounts for users (stacksync.AccountProvisioner): set Suite.Accounts, and Instance.Dial, which makes a Client of the storage's own
// protocol, with which the suite tries what an account can do. It should be made of another library than the back-end, or of none:
//
//	func dial(t backendtest.T, login string, secret stacksync.Secret, at stacksync.Location) backendtest.Client {
//		return &client{url: at.Settings["url"], login: login, secret: string(secret)} // in each method 401 and 403 become an ErrDenied
//	}
//
// The Client must be a Linker, too: it tries to bring content of other containers into its own by whatever its protocol has for that, links
// and copies by the server. The service may read what a user may not, so a storage must follow nothing that a user has put.
//
// A capability that is declared and missing fails the check "Capabilities", as does one that is there but not declared.
//
// # What it costs
//
// Each check makes containers and accounts of its own with names that nobody else uses, and deletes them at its end, so all checks
// may share one server, and run in parallel. In all they write about 12,000 small chunks, 10,500 of them in "ListPages", one of 64 MiB,
// and the content that must not be stored; send 200 signed requests; and make 70 accounts. "SignedExpiry" waits for 2 seconds.
//
// # Outages
//
// RunOutage checks what clients are left with when the storage's server stops and starts while they work: nothing is lost, and nothing
// is left that nobody names.
//
//	func TestOutage(t *testing.T) {
//		server := startServer(t)
//		backendtest.RunOutage(t, backendtest.Outage{
//			Open:  func(t backendtest.T) stacksync.StorageProvisioner { return open(t, server.URL()) },
//			Stop:  server.Kill,
//			Start: server.Restart,
//			Service: func(t backendtest.T, s stacksync.StorageProvisioner, via stacksync.Via) backendtest.Service {
//				svc, err := service.New(metadata.New(metadata.Config{}), service.Config{
//					Storage: s, ChunkHash: sha256.New, Vias: []stacksync.Via{via},
//				})
//				require.NoError(t, err)
//				t.Cleanup(func() { require.NoError(t, svc.Close()) })
//				return svc
//			},
//			Via: stacksync.ViaSigned,
//		})
//	}
package backendtest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

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
	// Many is how many chunks ListPages stores. Defaults to 10,500, since some servers end a list after 10,000. Fewer, but more than a page of 1,000, are for runs that must be short on
	// a server that is slow.
	Many int

	// Signs says that the back-end is a stacksync.ChunkSigner. Then the checks whose names start with "Signed" are run.
	Signs bool
	// Origins are those that the back-end was configured with as those of web sites, one at least, where it is a stacksync.OriginSetter. Then
	// the checks whose names start with "SignedOrigins" are run, too, which send preflights as browsers do.
	Origins []string
	// Accounts says that the back-end is a stacksync.AccountProvisioner. Then the checks whose names start with "Account" are run.
	Accounts bool
	// AccessBound is how long after SetAccess has returned its change may take to hold, as the back-end documents it. Defaults to 0:
	// it holds at once.
	AccessBound time.Duration
	// SecretBound is how long after PutAccount or DeleteAccount has returned a former secret, or a session begun with it, may go on
	// working, as the back-end documents it. Defaults to 0: not at all.
	SecretBound time.Duration

	patience time.Duration // with a call that should return soon; defaults to usualPatience
}

// Instance is a back-end under test.
type Instance struct {
	// Storage must be a stacksync.ChunkWriter and ChunkReader, as stacksync.As finds them: where a back-end is neither,
	// because clients bring and fetch content themselves, a wrapper made for the test adds both.
	Storage stacksync.StorageProvisioner
	// Reopen returns another instance over the same data, while Storage stays open. It may be nil only where the check
	// "Reopen" is skipped, and with it "SignedReopen" and "AccountReopen".
	Reopen func() stacksync.StorageProvisioner
	// Dial begins a session of an account with the storage, at the container that at is about. It uses nothing of the back-end under
	// test: it is what a device has. Each call begins a session of its own, which logs in now or when it is first used, so a refused
	// login shows in the Client's first error; it ends with t.Cleanup. Needed with Suite.Accounts.
	Dial func(t T, login string, secret stacksync.Secret, at stacksync.Location) Client
}

// Client is a session of an account with one container of the storage. What it calls object is one of LocateResult.Objects. An error
// wraps ErrDenied where the storage refuses for want of rights or because of the login, also where it says that there is no such
// thing to hide what there is from those without rights.
//
// One session may be used from one goroutine at a time; several sessions are used at once.
type Client interface {
	Get(ctx context.Context, object string) ([]byte, error)
	Put(ctx context.Context, object string, content []byte) error
	Delete(ctx context.Context, object string) error
	// List names all objects of the container, in any order.
	List(ctx context.Context) ([]string, error)
}

// ErrDenied is what a Client's error wraps when the storage refuses.
var ErrDenied = errors.New("denied by the storage")

// Run runs each check as a parallel subtest with the name of the check.
func Run(t *testing.T, s Suite) {
	t.Helper()
	conformance.Run(t, s, checksOf(s), s.Skips)
}

// checksOf returns the checks for what a back-end declares.
func checksOf(s Suite) []check {
	all := slices.Clone(checks)
	if s.Signs {
		all = append(all, signedChecks...)
	}
	if len(s.Origins) > 0 {
		all = append(all, originChecks...)
	}
	if s.Accounts {
		all = append(all, accountChecks...)
	}
	return all
}

type check = conformance.Check[Suite]

// checks are in the order of the contract.
var checks = []check{
	{Name: "Capabilities", Run: capabilities},

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
	{Name: "MissingIsQuick", Run: missingIsQuick},
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
	{Name: "BlockedContent", Run: blockedContent},
	{Name: "CancelledContext", Run: cancelledContext},

	{Name: "WriteAgain", Run: writeAgain},
	{Name: "WriteOther", Run: writeOther},
	{Name: "WriteLate", Run: writeLate},
	{Name: "WriteManyAtOnce", Run: writeManyAtOnce},
	{Name: "WriteSameAtOnce", Run: writeSameAtOnce},

	{Name: "ListPages", Run: listPages},
	{Name: "ListWhileChanging", Run: listWhileChanging},
	{Name: "ListLimits", Run: listLimits},
	{Name: "ManyNames", Run: manyNames},

	{Name: "Copy", Run: copyChunks},
	{Name: "CopyMissing", Run: copyMissing},
	{Name: "CopyOnto", Run: copyOnto},
	{Name: "CopyOntoOther", Run: copyOntoOther},
	{Name: "CopyToItself", Run: copyToItself},

	{Name: "Reopen", Run: reopen},
}
