package ftp

import (
	"context"
	"crypto/rand"
	"fmt"
	"path"
	"strings"

	"github.com/jlaffaye/ftp"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// CreateContainer implements stacksync.StorageProvisioner. Of a container that is there, it removes what crashed writers have left, as
// Sweep does.
func (s *Storage) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
	err := check.CreateContainer(ctx, p)
	if err == nil {
		err = s.createContainer(ctx, p.Container)
	}
	if err != nil {
		return stacksync.CreateContainerResult{}, fmt.Errorf("create container %.63q: %w", p.Container, err)
	}
	return stacksync.CreateContainerResult{}, nil
}

func (s *Storage) createContainer(ctx context.Context, name string) error {
	ctx, done := s.join(ctx)
	defer done()
	made := false
	err := s.with(ctx, func(c *conn) error {
		err := c.ftp.MakeDir(s.containerPath(name))
		made = err == nil
		if made || !isUnavailable(err) {
			return err
		}
		there, lookErr := c.isFolder(s.containerPath(name))
		if there || lookErr != nil {
			return lookErr
		}
		return err
	})
	if err == nil && !made {
		_, err = s.sweep(ctx, name)
	}
	return err
}

// isFolder tells whether a folder is there.
func (c *conn) isFolder(name string) (bool, error) {
	var kind ftp.EntryType
	missing, err := c.ask(name, func() (err error) {
		kind, err = c.kindOf(name)
		return err
	})
	return err == nil && !missing && kind != ftp.EntryTypeFile, err
}

// DeleteContainer implements stacksync.StorageProvisioner. The container is gone at once, as its folder is renamed; then the files are
// removed, with whatever else lies there. Where that fails or is cancelled, calling again goes on with it.
func (s *Storage) DeleteContainer(ctx context.Context, p stacksync.DeleteContainerParams) (stacksync.DeleteContainerResult, error) {
	err := check.DeleteContainer(ctx, p)
	if err == nil {
		err = s.deleteContainer(ctx, p.Container)
	}
	if err != nil {
		return stacksync.DeleteContainerResult{}, fmt.Errorf("delete container %.63q: %w", p.Container, err)
	}
	return stacksync.DeleteContainerResult{}, nil
}

func (s *Storage) deleteContainer(ctx context.Context, name string) error {
	ctx, done := s.join(ctx)
	defer done()
	deleted := name + "." // no container's name has a dot
	if err := s.with(ctx, func(c *conn) error { return s.hide(c, name, deleted+strings.ToLower(rand.Text())) }); err != nil {
		return err
	}
	trash := path.Join(s.folder, deletedFolder)
	entries, err := s.whole(ctx, trash)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.name, deleted) && e.kind == ftp.EntryTypeFolder {
			if err := s.removeFolder(ctx, path.Join(trash, e.name)); err != nil {
				return err
			}
		}
	}
	return s.with(ctx, func(c *conn) error {
		if err := c.ftp.RemoveDir(trash); !isUnavailable(err) {
			return err
		}
		return nil // it is gone already, or another container is in it
	})
}

// hide takes a container, if it is there, out of sight.
func (s *Storage) hide(c *conn, name, as string) error {
	// Without a list of access the folder is closed to all accounts, also under its new name. Where there are no accounts, the server may
	// well forbid to touch a file of this name, and there is none.
	if err := c.ftp.Delete(s.path(name, accessFile)); err != nil && !isMissing(err) && (s.accounts != nil || isBroken(err)) {
		return err
	}
	const tries = 10 // whoever is done with a container of their own removes the folder of deleted ones, if it is empty
	trash := path.Join(s.folder, deletedFolder)
	for try := 1; ; try++ {
		err := c.ftp.Rename(s.containerPath(name), path.Join(trash, as))
		if !isUnavailable(err) {
			return err
		}
		// One of the two folders is missing.
		if there, lookErr := c.isFolder(s.containerPath(name)); !there || lookErr != nil {
			return lookErr
		}
		if try == tries {
			return err
		}
		if mkErr := c.ftp.MakeDir(trash); mkErr != nil && !isUnavailable(mkErr) {
			return mkErr
		}
	}
}

// entries lists a folder, without the folder itself and its parent. A missing one has no entries.
func (s *Storage) entries(ctx context.Context, folder string) (l listing, err error) {
	err = s.with(ctx, func(c *conn) error {
		l, err = c.entries(folder)
		return err
	})
	return l, err
}

// whole is entries, where all of them matter.
func (s *Storage) whole(ctx context.Context, folder string) ([]entry, error) {
	l, err := s.entries(ctx, folder)
	if err == nil && l.cut {
		err = cutList(folder)
	}
	return l.entries, err
}

func (c *conn) entries(folder string) (l listing, err error) {
	missing, err := c.ask(folder, func() (err error) {
		l, err = c.list(folder)
		return err
	})
	if err != nil {
		err = c.orTaken(folder, ftp.EntryTypeFolder, err)
	}
	switch {
	case missing || err == nil:
		return l, nil
	case isBroken(err):
		return listing{}, fmt.Errorf("list %s: %w", folder, err)
	default:
		return listing{}, sound(fmt.Errorf("list %s: %w", folder, err))
	}
}

// removeFolder removes a folder with all that is in it, however deep. Links are removed, and not followed.
func (s *Storage) removeFolder(ctx context.Context, folder string) error {
	const tries = 3 // what was being written when the folder was renamed may come after the listing
	for try := 1; ; try++ {
		cut, err := s.emptyFolder(ctx, folder)
		if err != nil {
			return err
		}
		if cut { // what was listed is gone, and makes room for others
			try--
			continue
		}
		err = s.with(ctx, func(c *conn) error { return c.ftp.RemoveDir(folder) })
		if err == nil || !isUnavailable(err) {
			return err
		}
		there := false
		if lookErr := s.with(ctx, func(c *conn) (err error) { there, err = c.isFolder(folder); return err }); !there {
			return lookErr // removed by somebody else
		}
		if try == tries {
			return fmt.Errorf("remove %s: %w", folder, err)
		}
	}
}

// emptyFolder removes what a folder lists, and reports whether there is more.
func (s *Storage) emptyFolder(ctx context.Context, folder string) (cut bool, err error) {
	l, err := s.entries(ctx, folder)
	if err != nil {
		return false, err
	}
	if l.cut && len(l.entries) == 0 {
		return false, cutList(folder)
	}
	var files []entry
	for _, e := range l.entries {
		if e.kind != ftp.EntryTypeFolder {
			files = append(files, e)
		} else if err := s.removeFolder(ctx, path.Join(folder, e.name)); err != nil {
			return false, err
		}
	}
	return l.cut, s.each(ctx, len(files), func(ctx context.Context, i int) error {
		return s.with(ctx, func(c *conn) error { return c.remove(path.Join(folder, files[i].name)) })
	})
}

// remove deletes a file; a missing one counts as deleted.
func (c *conn) remove(file string) error {
	err := c.ftp.Delete(file)
	if err == nil || isMissing(err) {
		return nil
	}
	return c.orTaken(file, ftp.EntryTypeFile, err)
}
