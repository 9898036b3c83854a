// Package swift keeps chunks in OpenStack Swift: each container of the service is a container of Swift, each chunk an object.
//
//	storage, err := swift.Open(ctx, swift.Config{
//		AuthURL: "https://keystone.example.com:5000/v3", Username: "sync", Password: secret, Project: "sync",
//		Signing: &swift.Signing{Keys: []stacksync.Secret{key}},
//	})
//	if err != nil { … }
//	defer storage.Close()
//
// Hand the Storage to the service as its storage. The service finds by itself what else it can do: content can be written and read through
// the host (stacksync.ChunkWriter, ChunkReader); with Config.Signing clients send requests to Swift themselves (ChunkSigner), with
// Config.Accounts users have Keystone users of their own (AccountProvisioner).
//
// # What Swift promises
//
// An object is visible whole or not at all: Swift refuses what is shorter than its Content-Length. Swift is eventually consistent. While
// its nodes fail, a read may meet a replica that has missed the last write or deletion, and a listing may lag behind the objects.
// Where the answer matters, this package asks for the objects themselves: only ListChunks and DeleteContainer read listings, and
// StatChunks does where Config.Listings says so.
//
// Whoever may bring an object, by a signed request or an account, may have it delete itself later, by X-Delete-At or X-Delete-After. Where
// an answer about an object tells that, this package takes it away: StatChunks, and so a commit, keep the chunk, as do WriteChunk and
// CopyChunks where it is stored already. Listings don't tell. An editor's account may say so again later, as it may delete chunks.
//
// # What is a chunk
//
// Swift has objects whose content lies in other objects of the account: dynamic large objects (X-Object-Manifest), static large
// objects, and symbolic links. An editor's account may put them into its container, and who reads them with an operator's rights, as this
// package does, would be led into the containers of others. So all calls ask for the objects themselves, and what is not plain is no
// chunk: StatChunks and ListChunks don't have it, ReadChunk and CopyChunks don't find it, WriteChunk and CopyChunks replace it, and
// DeleteChunks and DeleteContainer delete it without what it names. Listings don't tell which objects are dynamic large ones: in
// a container in which an account may write, or could write once, what a listing has is asked for one by one. An account itself, and a
// signed request, follow them as far as they reach: an account with its own rights, a request within its container.
//
// A container that an operator has made keep versions (X-Versions-Enabled, X-Versions-Location, X-History-Location) is refused with an
// ErrVersioned: what is deleted there comes back, or stays.
//
// # Failures
//
// A request that fails for a reason that may pass (no connection, a timeout, 408, 429, 498, 5xx) is sent up to 6 times, with growing random
// delays, or that of the answer's Retry-After up to 30 seconds; a longer one is an error at once. A write is sent again only
// where its content is an io.Seeker or has not been read from. Tokens are renewed ahead of their end, while calls go on with the old one;
// calls wait for a login, one for all, only when the token has ended or Swift refuses it. An answer from Swift that is an error is a
// *StatusError.
package swift

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/stacksync/stacksync-go"
)

// Config configures a Storage. Either Provider is needed, or AuthURL, Username, Password and Project.
type Config struct {
	// AuthURL is where Keystone's version 3 is: https://keystone.example.com:5000/v3.
	AuthURL string
	// Username and Password are those of a user with an operator's role in Project (say swiftoperator): one who may make containers.
	Username string
	Password stacksync.Secret
	// Domain is the name of the user's domain. Defaults to "Default".
	Domain string
	// Project is the name of the project whose account in Swift has the containers.
	Project string
	// ProjectDomain is the name of the project's domain. Defaults to Domain.
	ProjectDomain string
	// Provider is a client of the host's own, authenticated for a project, in place of all of the above. It must be made with
	// openstack.NewClient, which makes it safe for use by many goroutines. Its HTTPClient's Transport is used, and its
	// ReauthFunc when a token ends: set gophercloud.AuthOptions.AllowReauth.
	Provider *gophercloud.ProviderClient

	// Region is that of the object store in Keystone's catalog. Defaults to the only one.
	Region string
	// Availability says which of the catalog's URLs is used. Defaults to gophercloud.AvailabilityPublic.
	Availability gophercloud.Availability
	// Prefix starts the name of each container in Swift, to tell them from others in the account: at most 64 characters of
	// a-z, 0-9, "-", "_" and ".". Defaults to none.
	Prefix string

	// RootCAs are the authorities whose certificates are trusted. Defaults to the system's.
	RootCAs *x509.CertPool
	// Transport sends the requests, in place of one that bounds dialling (10 s), the TLS handshake (10 s) and the wait for an answer's
	// header (2 minutes), and that RootCAs is for. It is not closed. Give it an ExpectContinueTimeout: without, content that can be read
	// once is spent on a server that refuses it. With a Transport other than the package's own, Go's client
	// writes "Unsolicited response" to the standard log after a HEAD that Swift has refused: see log.SetOutput.
	Transport http.RoundTripper
	// Parallel is how many requests one call has under way at a time. Defaults to 16.
	Parallel int
	// Listings makes StatChunks of many names read the container's listings while that is quicker than asking for each object, which
	// takes a thousand requests for a thousand names. In containers in which accounts may write it spares only those for
	// chunks that are missing. A listing may lag behind the objects by moments, on an overloaded cluster by
	// minutes: a chunk just written may then count as missing, and, worse, one just deleted as stored. It does not tell which objects are
	// going to delete themselves, so these are not kept from it.
	// For clusters of one node, and where nothing deletes chunks but whole containers.
	Listings bool

	// Origins are those of web sites whose pages may send signed requests (CORS): see stacksync.SetOriginsParams. CreateContainer and, with
	// Signing, the first SignChunks for a container set the container's rule. Defaults to leaving the rules as they are.
	Origins []string
	// Signing makes the Storage a stacksync.ChunkSigner.
	Signing *Signing
	// Accounts makes the Storage a stacksync.AccountProvisioner.
	Accounts *Accounts
	// Logger is told of requests that are sent again and of tokens that can't be renewed. Defaults to none.
	Logger *slog.Logger
}

// Storage is a stacksync.StorageProvisioner, ChunkWriter and ChunkReader over an account of Swift; by way of Unwrap it is what
// Config.Signing and Config.Accounts make of it, too. Make it with Open. All methods may be called from many goroutines.
type Storage struct {
	cfg     Config
	log     *slog.Logger
	session *session
	keys    containerKeys
	signing Signing // without its keys
	// wire sends requests as they are: it has no token of its own, and tries nothing again.
	wire  *gophercloud.ProviderClient
	idle  func() // closes connections that are not in use
	url   string // of the account, without a slash at its end
	info  info
	outer stacksync.StorageProvisioner

	closed sync.Once
}

// Open logs in to Keystone, finds the object store, and asks it what it can do. It fails where Config.Signing or Config.Accounts asks for
// what the cluster can't do or the user may not. ctx bounds Open only. Close the Storage at the end.
func Open(ctx context.Context, c Config) (*Storage, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("open swift storage: %w", err)
	}
	c = c.withDefaults()
	s := newStorage(c)
	if err := s.open(ctx, &c); err != nil {
		return nil, errors.Join(fmt.Errorf("open swift storage: %w", err), s.Close())
	}
	return s, nil
}

// newStorage holds secrets as functions only: what is text shows where a Storage is printed.
func newStorage(c Config) *Storage {
	s := &Storage{cfg: c, log: c.Logger, keys: c.Signing.containerKeys()}
	if c.Signing != nil {
		s.signing = Signing{Remembered: cmp.Or(c.Signing.Remembered, defaultRemembered), ClockMargin: c.Signing.ClockMargin}
	}
	s.cfg.Password, s.cfg.Signing = "", nil
	return s
}

func (s *Storage) open(ctx context.Context, c *Config) error {
	s.wire, s.idle = newWire(c)
	var err error
	if s.session, err = newSession(c, s.wire); err != nil {
		return err
	}
	// The first login fixes the URL: it is tried as every request is.
	err = s.retry(ctx, nil, func(ctx context.Context, _ string) error { return s.locate(ctx) })
	if err != nil {
		return err
	}
	if err := s.askInfo(ctx); err != nil {
		return err
	}
	if a := s.cfg.Accounts; a != nil {
		w, err := s.newAccounts(ctx, *a)
		if err != nil {
			return err
		}
		s.outer = w
	}
	if s.keys != nil {
		w, err := s.newSigner(s.outer)
		if err != nil {
			return err
		}
		s.outer = w
	}
	return nil
}

// Unwrap returns what Config.Signing and Config.Accounts have added, for stacksync.As; nil where they have added nothing.
func (s *Storage) Unwrap() stacksync.StorageProvisioner { return s.outer }

// Close ends the Storage: it ends a login that is under way and closes idle connections. Calls that need a new token afterwards fail
// with stacksync.ErrClosed. A second Close does nothing.
func (s *Storage) Close() error {
	s.closed.Do(func() {
		if s.session != nil {
			s.session.close()
		}
		if s.idle != nil {
			s.idle()
		}
	})
	return nil
}
