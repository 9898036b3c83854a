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
	entry, err := c.ftp.GetEntry(name)
	if err != nil {
		_, err = c.isMissing(name, err)
		return false, err
	}
	return entry.Type == ftp.EntryTypeFolder, nil
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
	entries, err := s.entries(ctx, trash)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name, deleted) && e.Type == ftp.EntryTypeFolder {
			if err := s.removeFolder(ctx, path.Join(trash, e.Name)); err != nil {
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
	// Without a list of access the folder is closed to all accounts, also under its new name.
	if err := c.ftp.Delete(s.path(name, accessFile)); err != nil && !isMissing(err) {
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
func (s *Storage) entries(ctx context.Context, folder string) (entries []*ftp.Entry, err error) {
	err = s.with(ctx, func(c *conn) error {
		entries, err = c.entries(folder)
		return err
	})
	return entries, err
}

func (c *conn) entries(folder string) ([]*ftp.Entry, error) {
	all, err := c.ftp.List(folder)
	if err != nil {
		missing, err := c.isMissing(folder, err)
		if !missing {
			err = c.orTaken(folder, ftp.EntryTypeFolder, err)
		}
		switch {
		case missing || err == nil:
			return nil, nil
		case isBroken(err):
			return nil, fmt.Errorf("list %s: %w", folder, err)
		default:
			return nil, sound(fmt.Errorf("list %s: %w", folder, err))
		}
	}
	entries := all[:0]
	for _, e := range all {
		e.Name = path.Base(e.Name) // some servers give the whole path
		if e.Name != "." && e.Name != ".." {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// removeFolder removes a folder with all that is in it, however deep.
func (s *Storage) removeFolder(ctx context.Context, folder string) error {
	const tries = 3 // what was being written when the folder was renamed may come after the listing
	var err error
	for range tries {
		if err = s.emptyFolder(ctx, folder); err != nil {
			return err
		}
		err = s.with(ctx, func(c *conn) error { return c.ftp.RemoveDir(folder) })
		if err == nil || !isUnavailable(err) {
			return err
		}
		there := false
		if lookErr := s.with(ctx, func(c *conn) (err error) { there, err = c.isFolder(folder); return err }); !there {
			return lookErr // removed by somebody else
		}
	}
	return fmt.Errorf("remove %s: %w", folder, err)
}

func (s *Storage) emptyFolder(ctx context.Context, folder string) error {
	entries, err := s.entries(ctx, folder)
	if err != nil {
		return err
	}
	var folders []string
	files := entries[:0]
	for _, e := range entries {
		if e.Type == ftp.EntryTypeFolder {
			folders = append(folders, path.Join(folder, e.Name))
		} else {
			files = append(files, e)
		}
	}
	for _, f := range folders {
		if err := s.removeFolder(ctx, f); err != nil {
			return err
		}
	}
	return s.each(ctx, len(files), func(ctx context.Context, i int) error {
		return s.with(ctx, func(c *conn) error { return c.remove(path.Join(folder, files[i].Name)) })
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
