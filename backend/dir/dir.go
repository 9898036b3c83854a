// Package dir keeps chunks in a folder of a local disk. It needs no module that the root package
// does without.
//
//	storage, err := dir.Open(ctx, "/var/lib/sync/chunks", dir.Config{})
//	if err != nil { … }
//	defer storage.Close()
//
// Hand the Storage to the service as its storage. The service finds by itself that content can be written and read through
// the host (stacksync.ChunkWriter, stacksync.ChunkReader). Several processes of one machine may have one folder open.
//
// # On the disk
//
//	containers/<container>/<shard>/<file>   a chunk
//	tmp/<process>/<number>                  a chunk that is being written
//	deleted/<container>.<number>            a container that is being deleted
//
// The content of a chunk is a file; tools may read and back up the folder at any time. A chunk's name that is 16 to 200 of
// a-z, 0-9, "-" and "_" (a hash in lower-case hex, say) is the name of its file. Any other name could mean something to a
// file system, be too long for one, or differ from another only in case; then the file is named after the SHA-256 of
// the name, and ends with the name and one byte that holds its length.
//
// The shard is the first byte of the SHA-256 of the name, in hex: with 256 of them a container of a million chunks has
// folders of 4,000 files, which every file system is quick with and a listing can sort. They are made as they are needed, so a
// small container has no more of them than files.
//
// # Durability
//
// A write goes to a file in tmp, which is synced and then linked to its place, where it never takes
// the place of a chunk that another writer has stored meanwhile; then the folder is synced. (On a
// file system without hard links it is renamed, after a look: two writers of one name in the same
// moment then leave the later one's.) So a chunk is there whole or not at all, and once its write
// has returned it survives a power failure. A deletion may be undone by one. What a killed process
// leaves in tmp is removed by the next Open.
//
// Copying makes a hard link where the file system can: the chunk takes no second space, and since chunks never change
// nobody can tell. As the link has the same time of change as the original, copying a chunk also makes the original
// count as stored now. Writing a chunk that is stored keeps it, and makes it count as stored now.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

const (
	containersDir = "containers"
	deletedDir    = "deleted"
	tempDir       = "tmp"

	// What is stored is private to the user that the process runs as.
	dirMode  = 0o700
	fileMode = 0o600
)

// Config configures a Storage. The zero value works.
type Config struct {
	// NoSync leaves it to the operating system when to write to the disk. Chunks are then still whole or not there after the
	// process is killed, but a power failure may lose or damage the ones of the last minutes. For tests, and for content
	// that may be lost.
	NoSync bool
	// Logger is told of left-overs that Open removes, and of damaged files. Defaults to none.
	Logger *slog.Logger
}

// Storage is a stacksync.StorageProvisioner, ChunkWriter and ChunkReader over a folder. Make it with Open. All methods may
// be called from many goroutines.
type Storage struct {
	root *os.Root // keeps every path inside the folder, whatever links lie there
	log  *slog.Logger

	temp   temp
	shards durableDirs
	// buffers has *[]byte through which content is copied.
	buffers sync.Pool
	closed  sync.Once

	// Replaced in tests.
	sync  func(*os.File) error
	link  func(oldname, newname string) error // of CopyChunks
	place func(oldname, newname string) error // links what was written to its place
}

// Open opens the folder, and makes it if there is none; its parent must be there. It removes what killed processes have
// left half written, until ctx ends. Close the Storage at the end.
func Open(ctx context.Context, path string, c Config) (*Storage, error) {
	s := &Storage{log: c.Logger, sync: (*os.File).Sync, buffers: sync.Pool{New: newBuffer}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if c.NoSync {
		s.sync = nil
	}
	if err := s.open(ctx, path); err != nil {
		return nil, fmt.Errorf("open chunk storage %s: %w", path, err)
	}
	return s, nil
}

func (s *Storage) open(ctx context.Context, path string) (err error) {
	made, err := mkdir(os.Mkdir, path)
	if err != nil {
		return err
	}
	if s.root, err = os.OpenRoot(path); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	s.link, s.place = s.root.Link, s.root.Link
	for _, name := range []string{containersDir, deletedDir, tempDir} {
		if _, err := mkdir(s.root.Mkdir, name); err != nil {
			return err
		}
	}
	if err := s.syncDir("."); err != nil {
		return err
	}
	if made && s.sync != nil {
		if err := s.syncOpened(os.Open(filepath.Dir(path))); err != nil {
			return err
		}
	}
	if err := s.sweep(ctx); err != nil {
		return fmt.Errorf("remove left-overs: %w", err)
	}
	return s.makeTemp()
}

// mkdir reports whether it made the folder; one that is there is no error.
func mkdir(mkdir func(string, fs.FileMode) error, name string) (made bool, err error) {
	err = mkdir(name, dirMode)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// Close ends the Storage. Writes that are running fail, and so do calls that come later, with fs.ErrClosed; open readers
// go on. A second Close does nothing.
func (s *Storage) Close() (err error) {
	s.closed.Do(func() {
		if err = errors.Join(s.removeTemp(), s.root.Close()); err != nil {
			err = fmt.Errorf("close chunk storage: %w", err)
		}
	})
	return err
}
