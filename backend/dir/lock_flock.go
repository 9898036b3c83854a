//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package dir

import (
	"errors"
	"os"
	"syscall"
)

// tryLock reports whether it got the lock of a file, which lasts until the file is closed or the process ends. It is an
// errors.ErrUnsupported where files have no locks.
func tryLock(f *os.File) (bool, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var lockErr error
	err = conn.Control(func(fd uintptr) {
		for {
			if lockErr = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB); lockErr != syscall.EINTR {
				return
			}
		}
	})
	if errors.Is(lockErr, syscall.EWOULDBLOCK) {
		return false, nil
	}
	err = errors.Join(err, lockErr)
	return err == nil, err
}
