package dir

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
)

// syncDir makes what was made or renamed in a folder survive a power failure.
func (s *Storage) syncDir(name string) error {
	if s.sync == nil {
		return nil
	}
	return s.syncOpened(s.root.Open(name))
}

// syncOpened syncs a folder that was just opened, and closes it.
func (s *Storage) syncOpened(dir *os.File, err error) error {
	if err != nil {
		return err
	}
	defer dir.Close()
	if runtime.GOOS == "windows" { // which has no such call for folders
		return nil
	}
	err = s.sync(dir)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil // nor have some network file systems
	}
	return err
}

// durableDirs remembers which shard folders are sure to survive a power failure, so that only the first write to each has
// to sync the container. Every Storage finds that out for itself: that a folder is there does not tell whether the process
// that made it came as far as to sync it. To forget costs a sync, nothing else.
type durableDirs struct {
	mu    sync.Mutex
	known map[string]bool
}

const mostDurableDirs = 100_000 // about 10 MB

func (d *durableDirs) has(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known[name]
}

func (d *durableDirs) add(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= mostDurableDirs {
		d.known = map[string]bool{}
	}
	d.known[name] = true
}

func (d *durableDirs) forgetAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known = nil
}
