package sqlite

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/stacksync/stacksync-go/metastore/internal/sqlstore"
)

// Synchronous says what a crash of the machine may take away. A crash of the process alone never takes anything.
type Synchronous uint8

const (
	// Full means that an Update which has returned survives a power cut.
	Full Synchronous = iota
	// Normal means that commits don't wait for the disk. A power cut may take back the last Updates,
	// though they had returned; what is left is consistent. Devices then have versions and cursors
	// that the store has lost, as after the restore of a backup: give the workspaces a new epoch, as
	// docs/sqlite.md says.
	Normal
)

// Config says how to open a store. The zero value works.
type Config struct {
	// Synchronous defaults to Full.
	Synchronous Synchronous
	// BusyTimeout is how long a transaction waits for another process to release the file, before it fails with SQLITE_BUSY. Up
	// to a second is added, for pauses. Defaults to 10 seconds.
	BusyTimeout time.Duration
	// Readers is how many Views can run at once; more wait for one to end. Each keeps a connection with a cache of up to 8 MB.
	// Defaults to GOMAXPROCS, but at least 4.
	Readers int
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Synchronous > Normal:
		return c, fmt.Errorf("Config.Synchronous has no value %d", c.Synchronous)
	case c.BusyTimeout < 0:
		return c, fmt.Errorf("Config.BusyTimeout is negative: %v", c.BusyTimeout)
	case c.Readers < 0:
		return c, fmt.Errorf("Config.Readers is negative: %d", c.Readers)
	}
	if c.BusyTimeout == 0 {
		c.BusyTimeout = 10 * time.Second
	}
	if c.Readers == 0 {
		c.Readers = max(4, runtime.GOMAXPROCS(0))
	}
	return c, nil
}

// database is a file, and how to connect to it.
type database struct {
	path   string // absolute: connections are made later too, when the working directory may be another
	config Config
}

func newDatabase(path string, config Config) (database, error) {
	switch {
	case path == "" || path == ":memory:":
		return database{}, errors.New("a database in memory is not supported: see package metastore/memory")
	case strings.HasPrefix(path, "file:"):
		return database{}, fmt.Errorf("%q is a URI, not the path of a file", path)
	case strings.ContainsRune(path, 0):
		return database{}, fmt.Errorf("the path %q holds a NUL", path)
	}
	config, err := config.withDefaults()
	if err != nil {
		return database{}, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return database{}, err
	}
	return database{path: abs, config: config}, nil
}

// The roles of a connection.
type role string

const (
	creator  role = "creator"  // makes the file, and its schema
	migrator role = "migrator" // changes the schema
	writer   role = "writer"
	reader   role = "reader"
	copier   role = "copier"  // reads, and writes another file
	checker  role = "checker" // reads a file that nobody writes
	prober   role = "prober"  // reads nothing
)

// dsn returns the driver's name of the database. Only the creator makes a missing file: a file that is deleted while the
// store is open must not come back empty. Settings may be made by reading the file, for which SQLite makes others beside it: the
// prober has none.
func (d database) dsn(r role) string {
	if r == prober {
		return d.uri(url.Values{"mode": {"rw"}})
	}
	params := url.Values{
		"mode": {"rw"},
		// The driver waits this long for a lock, and is asked again by Retry.
		"_busy_timeout": {strconv.FormatInt(max(1, d.config.BusyTimeout.Milliseconds()/sqlstore.Attempts), 10)},
		"_txlock":       {"immediate"},
		"_synchronous":  {"FULL"},
		"_dqs":          {"0"},
		"_defensive":    {"1"},
		"_error_rc":     {"1"},
		"_pragma": {
			"trusted_schema(0)",               // what a foreign schema says is not run
			"temp_store(MEMORY)",              // what a statement needs to undo itself
			"fullfsync(1)", "foreign_keys(1)", // macOS: an fsync alone does not reach the disk
			"wal_autocheckpoint(4000)",     // pages, 16 MB: a quarter less time for large commits than with SQLite's 1000
			"journal_size_limit(67108864)", // bytes that the -wal file keeps after a large transaction
		},
	}
	cache := "cache_size(-8192)" // KiB
	switch r {
	case creator:
		params.Set("mode", "rwc")
	case writer:
		if d.config.Synchronous == Normal {
			params.Set("_synchronous", "NORMAL")
		}
		cache = "cache_size(-32768)"
	case reader:
		params.Set("_query_only", "1")
	case checker:
		params.Set("mode", "ro")
	}
	params.Add("_pragma", cache)
	return d.uri(params)
}

func (d database) uri(params url.Values) string {
	slashed := filepath.ToSlash(d.path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // file:///C:/…
	}
	return (&url.URL{Scheme: "file", Path: slashed, RawQuery: params.Encode()}).String()
}
