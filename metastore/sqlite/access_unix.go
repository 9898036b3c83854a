//go:build unix && !aix

package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
)

const (
	toWrite  = 0x2 // W_OK of POSIX
	toSearch = 0x1 // X_OK
)

// writable returns an error unless this process may write the file, those that SQLite has put beside it, and the folder, in which SQLite
// makes and removes them. It opens nothing: closing would take SQLite's locks away.
func writable(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for _, file := range []string{real, real + "-wal", real + "-shm"} {
		err := syscall.Access(file, toWrite)
		if err != nil && (file == real || !errors.Is(err, fs.ErrNotExist)) {
			return fmt.Errorf("%w: %q: %w", ErrReadOnly, file, err)
		}
	}
	folder := filepath.Dir(real)
	if err := syscall.Access(folder, toWrite|toSearch); err != nil {
		return fmt.Errorf("%w: SQLite makes others beside it: folder %q: %w", ErrReadOnly, folder, err)
	}
	return nil
}
