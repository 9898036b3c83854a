package ftp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/stacksync/stacksync-go"
)

const (
	defaultConns   = 8
	defaultIdle    = time.Minute
	defaultSilence = time.Minute
	dialTimeout    = 10 * time.Second
)

// Config configures a Storage. Addr, User and Password are needed.
type Config struct {
	// Addr is the server's host:port; the port is mostly 21. A port where the server begins with TLS by itself (implicit FTPS, mostly 990) is
	// refused by Open with an ErrImplicit.
	Addr string
	// User and Password are those of the service's account, which sees all of Folder.
	User     string
	Password stacksync.Secret
	// TLS says how to verify the server. It defaults to the authorities that the system trusts, and the host of Addr. One that
	// verifies nothing is refused. Its ClientSessionCache is not used: each connection has a cache of its own.
	TLS *tls.Config
	// Plain sends passwords and content without TLS. For a server on the same machine only.
	Plain bool
	// Folder is where the containers are, as the service's account sees it. It must be there. Defaults to "/".
	Folder string
	// MaxConns is the most connections at a time, 2 or more. Defaults to 8. A Content of ReadChunk holds one until it is read to its end,
	// or closed. At most MaxConns/2 are open at a time, so that others can write, and ask, whatever readers do; further calls of
	// ReadChunk wait. WriteChunk holds one while it reads the Content that it is given, but no longer than Silence where nothing comes.
	MaxConns int
	// IdleTimeout is after what time an idle connection is ended. It should be less than the server's own. Defaults to 1 minute.
	IdleTimeout time.Duration
	// Silence is how long the server may answer nothing, or take no bytes, until it counts as dead; for how long an open Content of
	// ReadChunk may go unread until it is cut; and for how long the Content that WriteChunk is given may bring nothing until it gives up.
	// Defaults to 1 minute. Connecting may take 10 seconds.
	Silence time.Duration
	// Accounts makes the Storage a stacksync.AccountProvisioner. Defaults to none. See ProFTPD.
	Accounts Access
	// Logger is told of connections that broke, and of left-overs. Defaults to none.
	Logger *slog.Logger
}

// Storage is a stacksync.StorageProvisioner, ChunkWriter and ChunkReader over an FTP server; with Config.Accounts, it has a
// stacksync.AccountProvisioner, which stacksync.As finds. Make it with Open. All methods may be called from many goroutines.
type Storage struct {
	folder   string
	maxConns int
	log      *slog.Logger
	pool     pool
	accounts *accounts // nil for none

	// reading bounds the chunks that are being read: each holds a connection for as long as its reader likes, or, if it is being copied,
	// waits for another.
	reading *semaphore.Weighted
	// copies says that the server can copy by itself (SITE CPFR and CPTO).
	copies atomic.Bool

	closing context.Context // ends with Close
	end     context.CancelFunc
	cleanup sync.WaitGroup
}

// Open connects to the server, logs in, and looks whether the server can do what is needed: it must have MLSD (RFC 3659), and the folder
// must be there. Close the Storage at the end.
func Open(ctx context.Context, c Config) (*Storage, error) {
	s, err := newStorage(c)
	if err == nil {
		err = s.look(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open chunk storage ftp://%s: %w", c.Addr, err)
	}
	return s, nil
}

func newStorage(c Config) (*Storage, error) {
	tlsConfig, err := c.check()
	if err != nil {
		return nil, err
	}
	password := c.Password
	s := &Storage{
		folder: path.Join("/", c.Folder), maxConns: c.MaxConns, log: c.Logger, reading: semaphore.NewWeighted(int64(c.MaxConns / 2)),
		pool: pool{permits: semaphore.NewWeighted(int64(c.MaxConns)), keep: c.IdleTimeout, tries: usualTries, server: server{
			addr: c.Addr, user: c.User, password: func() stacksync.Secret { return password }, tls: tlsConfig, dialer: net.Dialer{Timeout: dialTimeout}, silence: c.Silence,
		}},
	}
	s.closing, s.end = context.WithCancel(context.Background())
	if c.Accounts != nil {
		s.accounts = &accounts{Storage: s, access: c.Accounts}
	}
	return s, nil
}

// check fills in the defaults, and returns what to verify the server by, nil for nothing.
func (c *Config) check() (*tls.Config, error) {
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil || host == "" {
		return nil, &stacksync.FieldError{Field: "Addr", Reason: "is not host:port"}
	}
	for field, text := range map[string]string{"User": c.User, "Password": string(c.Password), "Folder": c.Folder} {
		if strings.ContainsAny(text, "\r\n\x00") {
			return nil, &stacksync.FieldError{Field: field, Reason: "has a line end"}
		}
	}
	switch {
	case c.User == "":
		return nil, &stacksync.FieldError{Field: "User", Reason: "is empty"}
	case c.MaxConns < 0 || c.MaxConns == 1:
		return nil, &stacksync.FieldError{Field: "MaxConns", Reason: "is not 2 or more"}
	case c.IdleTimeout < 0:
		return nil, &stacksync.FieldError{Field: "IdleTimeout", Reason: "is negative"}
	case c.Silence < 0:
		return nil, &stacksync.FieldError{Field: "Silence", Reason: "is negative"}
	case c.Plain && c.TLS != nil:
		return nil, &stacksync.FieldError{Field: "Plain", Reason: "is set beside TLS"}
	case c.TLS != nil && c.TLS.InsecureSkipVerify && c.TLS.VerifyConnection == nil && c.TLS.VerifyPeerCertificate == nil:
		return nil, &stacksync.FieldError{Field: "TLS", Reason: "verifies nothing"}
	}
	c.MaxConns = orDefault(c.MaxConns, defaultConns)
	c.IdleTimeout = orDefault(c.IdleTimeout, defaultIdle)
	c.Silence = orDefault(c.Silence, defaultSilence)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Plain {
		return nil, nil
	}
	verify := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS != nil {
		verify = c.TLS.Clone()
	}
	if verify.ServerName == "" {
		verify.ServerName = host
	}
	verify.DynamicRecordSizingDisabled = true // content comes in bulk
	return verify, nil
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// ErrImplicit says that the server begins with TLS by itself, without being asked (implicit FTPS, as on port 990), which no standard
// describes. Such servers mostly do explicit TLS, too (RFC 4217), on port 21: name that in Config.Addr.
var ErrImplicit = errors.New("the server speaks implicit FTPS")

// look finds out what the server can do.
func (s *Storage) look(ctx context.Context) error {
	err := s.with(ctx, func(c *conn) error {
		if !c.ftp.IsTimePreciseInList() {
			return fmt.Errorf("the server has no MLSD: %w", errors.ErrUnsupported)
		}
		if err := c.ftp.ChangeDir(s.folder); err != nil {
			return fmt.Errorf("look for folder %s: %w", s.folder, err)
		}
		features, err := c.command(211, "FEAT")
		s.copies.Store(strings.Contains(features, "SITE COPY"))
		return err
	})
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// Unwrap returns what implements stacksync.AccountProvisioner, nil if there are no accounts.
func (s *Storage) Unwrap() stacksync.StorageProvisioner {
	if s.accounts == nil {
		return nil
	}
	return s.accounts
}

// Close ends all connections. Calls that are running fail, and so do calls that come later, with stacksync.ErrClosed. A second Close does
// nothing. It returns nil.
func (s *Storage) Close() error {
	s.end()
	s.pool.close()
	s.cleanup.Wait()
	return nil
}
