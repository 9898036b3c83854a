//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package ftp

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// tryLock reports whether it got the lock of a file.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) //nolint:gosec // a file's number is small
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// likeOwner gives a new file the owner of another one.
func likeOwner(f *os.File, info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && (int(stat.Uid) != os.Geteuid() || int(stat.Gid) != os.Getegid()) {
		return f.Chown(int(stat.Uid), int(stat.Gid))
	}
	return nil
}
