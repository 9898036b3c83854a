//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package ftp

import (
	"errors"
	"io/fs"
	"os"
)

func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }

func likeOwner(*os.File, fs.FileInfo) error { return nil }
