package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
)

// Service is the part of a stacksync.SyncService that a device needs.
type Service interface {
	stacksync.Commits
	stacksync.Feed
	stacksync.Transfers
}

// Config says what a device syncs. Actor, Workspace and Dir are required; the rest has defaults.
type Config struct {
	// Actor is the user and the device, registered with the service.
	Actor     stacksync.Actor
	Workspace stacksync.WorkspaceID
	// Dir is the folder to sync; it must exist. The device keeps its state in a folder ".stacksync" in it. One Device at a
	// time may work on it.
	Dir string
	// Name is what conflicted copies made here are called after. Defaults to the host's name.
	Name string
	// Via is how content goes to and from the storage: by stacksync.ViaHost or by stacksync.ViaSigned. Defaults to what the service
	// prefers. A device has no client for the protocols of stacksync.ViaAccount: where the service prefers that one, Sync fails with
	// errors.ErrUnsupported unless Via names another one.
	Via stacksync.Via
	// HTTPClient sends signed requests to the storage; it is copied, and follows no redirects. Defaults to one of the device's own,
	// with a connection for each worker. With either, a request over which nothing comes or goes for a minute is given up.
	HTTPClient *http.Client
	// Workers is how many files are read, sent and fetched at a time. Defaults to 4.
	Workers int
	// Interval is how often Run looks for local changes that nobody told it of. Defaults to 10 seconds.
	Interval time.Duration
	// OnSync is called by Run after each round of syncing, from one goroutine.
	OnSync func(Report, error)
	// OnProgress is called often while Sync works, from one goroutine at a time.
	OnProgress func(Progress)
	// NoSync leaves it to the operating system when to write to the disk: after a power failure, the device may have forgotten
	// what it did last, and files that it wrote last may be damaged. For tests.
	NoSync bool
	// Logger defaults to one that discards.
	Logger *slog.Logger
	// Now defaults to time.Now.
	Now func() time.Time
}

func (c *Config) setDefaults() error {
	if c.Actor.User == "" || c.Actor.Device.IsZero() || c.Workspace == (stacksync.WorkspaceID{}) || c.Dir == "" {
		return errors.New("Config needs Actor, Workspace and Dir")
	}
	if c.Name == "" {
		c.Name, _ = os.Hostname() // without one, the default below is as good
	}
	if c.Name = plainName(c.Name); c.Name == "" {
		c.Name = "device"
	}
	if c.Workers <= 0 {
		c.Workers = 4
	}
	if c.Interval <= 0 {
		c.Interval = 10 * time.Second
	}
	if c.OnProgress == nil {
		c.OnProgress = func(Progress) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

// Device keeps one folder equal to one workspace. Its methods may be called from many goroutines.
type Device struct {
	service Service
	cfg     Config
	root    *os.Root
	fold    bool // the disk takes "A" and "a" for the same name
	buffers sync.Pool
	client  *http.Client
	// patience is how long a request to the storage may go without a byte.
	patience time.Duration
	wake     chan struct{}

	mu    sync.Mutex // held while syncing
	state *state

	progressMu sync.Mutex
	reached    progress // a copy of state.progress for those who don't hold mu
}

// Open makes a device from what is on disk: its state there, or none for the first time.
func Open(service Service, cfg Config) (*Device, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open synced folder: %w", err)
	}
	d := &Device{service: service, cfg: cfg, root: root, wake: make(chan struct{}, 1), patience: time.Minute}
	d.client = newClient(cfg.HTTPClient, cfg.Workers)
	d.buffers.New = func() any { return new([cutBuffer]byte) }
	if err := d.prepare(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

func (d *Device) prepare() error {
	if err := d.root.RemoveAll(stagingDir); err != nil {
		return fmt.Errorf("clean state folder: %w", err)
	}
	for _, dir := range []string{stateDir, stagingDir, parkedDir} {
		if err := d.root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make state folder: %w", err)
		}
	}
	lower, err := d.root.Lstat(stateDir)
	if err != nil {
		return fmt.Errorf("look at state folder: %w", err)
	}
	upper, err := d.root.Lstat(strings.ToUpper(stateDir))
	d.fold = err == nil && os.SameFile(lower, upper)
	d.state, err = loadState(d.root, d.flush, head{Format: 1, Workspace: d.cfg.Workspace, Actor: d.cfg.Actor})
	if err != nil {
		return err
	}
	d.reached = d.state.progress
	return nil
}

// flush makes a file durable.
func (d *Device) flush(file *os.File) error {
	if d.cfg.NoSync {
		return nil
	}
	return file.Sync()
}

// Close releases the folder. It waits for a running Sync; end Run by its context first.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cfg.HTTPClient == nil {
		d.client.CloseIdleConnections()
	}
	return errors.Join(d.state.journal.close(), d.root.Close())
}

// maxRounds bounds the rounds of a Sync. Two are usual; more come from other devices that commit at the same time, and from files
// that change while they are read.
const maxRounds = 50

// Sync takes over what changed on the server, sends what changed here, and repeats both until there is nothing more to do. The
// report is of use also with an error. After an error, and after a crash, call it again: it goes on where it was.
//
// Entries that can't be synced (a file that can't be read, a name the server refuses) are Report.Problems and don't hold up the
// others. A *stacksync.CursorError with RemedyForget says that the workspace is not the user's any more: the device has forgotten what
// it knew of it, and leaves the files alone.
func (d *Device) Sync(ctx context.Context) (Report, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := &job{Device: d, refused: map[string]error{}, tries: map[string]int{}, staged: map[string]bool{}}
	j.downloads = j.newQueue(j.prepareDownload)
	err := j.sync(ctx)
	if saveErr := d.state.save(); err == nil {
		err = saveErr
	}
	d.progressMu.Lock()
	d.reached = d.state.progress
	d.progressMu.Unlock()
	for path := range j.staged {
		_ = j.root.Remove(path) // nobody needs it; Open cleans up what is left
	}
	j.report.finish(j.refused)
	return j.report, err
}

// Position returns how far the device is in the change log, and the cursor to follow from.
func (d *Device) Position() (stacksync.Cursor, int64) {
	d.progressMu.Lock()
	defer d.progressMu.Unlock()
	return d.reached.Cursor, d.reached.Revision
}

// job is one Sync at work.
type job struct {
	*Device
	tree    *tree
	staged  map[string]bool   // paths of content that was fetched ahead
	sources map[string]source // see job.source
	// downloads are those of the page that is taken over.
	downloads *queue
	refused   map[string]error // what is not to be proposed again by this Sync, by path
	tries     map[string]int   // failed attempts, by path
	again     bool             // something could not be sent, and may be after another look
	counts
}

// errStale says that the disk is not as it was when it was scanned: the user was faster.
var errStale = errors.New("changed since the scan")

func (j *job) sync(ctx context.Context) error {
	if err := j.land(ctx); err != nil {
		return err
	}
	for range maxRounds {
		j.report.Rounds++
		if err := j.scan(ctx); err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		err := j.pull(ctx)
		settled := false
		if err == nil {
			settled, err = j.push(ctx)
		}
		if err != nil && !errors.Is(err, errStale) {
			return err
		}
		if settled {
			return nil
		}
	}
	return fmt.Errorf("not settled after %d rounds", maxRounds)
}
