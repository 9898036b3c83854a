package dir

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// lockSuffix ends the name of the file that is locked as long as the owner of the folder beside it lives.
const lockSuffix = ".lock"

// temp is the folder in which a Storage has files that are being written.
type temp struct {
	path string
	lock *os.File
	next atomic.Uint64
}

// name returns the path of a file that is not there yet.
func (t *temp) name() string { return t.path + "/" + strconv.FormatUint(t.next.Add(1), 10) }

func (s *Storage) makeTemp() error {
	path := tempDir + "/" + strings.ToLower(rand.Text())
	unlocked := path + ".new"
	lock, err := s.root.OpenFile(unlocked, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	s.temp.path, s.temp.lock = path, lock
	if _, err := tryLock(lock); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return errors.Join(err, s.removeFile(unlocked))
	}
	// It gets its name only now, so that no sweep ever sees the lock of a living process free.
	if err := s.root.Rename(unlocked, path+lockSuffix); err != nil {
		return errors.Join(err, s.removeFile(unlocked))
	}
	return s.root.Mkdir(path, dirMode)
}

func (s *Storage) removeTemp() error {
	if s.temp.lock == nil {
		return nil
	}
	return errors.Join(s.root.RemoveAll(s.temp.path), s.temp.lock.Close(), s.removeFile(s.temp.path+lockSuffix))
}

// sweep removes the files that processes were writing when they were killed. Their locks are gone with them. Where there are no
// locks (on Windows, and on some network file systems) it removes nothing.
func (s *Storage) sweep(ctx context.Context) error {
	return eachName(s.root, tempDir, func(name string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		owner, ok := strings.CutSuffix(name, lockSuffix)
		if !ok {
			return nil
		}
		lock, err := s.root.OpenFile(tempDir+"/"+name, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) { // closed, or swept by somebody else
			return nil
		}
		if err != nil {
			return err
		}
		defer lock.Close()
		dead, err := tryLock(lock)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		if !dead {
			return err
		}
		s.log.Info("removing what a killed process has left half written", "folder", tempDir+"/"+owner)
		return errors.Join(s.root.RemoveAll(tempDir+"/"+owner), s.removeFile(tempDir+"/"+name))
	})
}
