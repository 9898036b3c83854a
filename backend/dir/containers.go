package dir

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

func containerPath(container string) string { return containersDir + "/" + container }

// openContainer opens the folder of a container; it is nil for a missing one.
func (s *Storage) openContainer(name string) (*os.Root, error) {
	c, err := s.root.OpenRoot(containerPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return c, err
}

func missingContainer(name string) error {
	return fmt.Errorf("container %q %w", name, stacksync.ErrNotFound)
}

// CreateContainer implements stacksync.StorageProvisioner.
func (s *Storage) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
	err := check.CreateContainer(ctx, p)
	if err == nil {
		_, err = mkdir(s.root.Mkdir, containerPath(p.Container))
	}
	if err == nil {
		err = s.syncDir(containersDir)
	}
	if err != nil {
		return stacksync.CreateContainerResult{}, fmt.Errorf("create container %.63q: %w", p.Container, err)
	}
	return stacksync.CreateContainerResult{}, nil
}

// DeleteContainer implements stacksync.StorageProvisioner. The container is gone at once; then its files are removed, with
// whatever else lies in its folder. Where that fails or is cancelled, calling again goes on with it, also when there is a
// new container of that name.
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
	deleted := name + "." // no container's name has a dot
	err := s.root.Rename(containerPath(name), deletedDir+"/"+deleted+strings.ToLower(rand.Text()))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.shards.forgetAll()
	return eachName(s.root, deletedDir, func(folder string) error {
		if !strings.HasPrefix(folder, deleted) {
			return nil
		}
		return s.removeFolder(ctx, deletedDir+"/"+folder)
	})
}

func (s *Storage) removeFolder(ctx context.Context, name string) error {
	const tries = 5 // a write that had begun before may put a file into the folder even now
	var err error
	for range tries {
		if err := s.emptyFolder(ctx, name); err != nil {
			return err
		}
		err = s.root.Remove(name)
		if !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) { // removed by somebody else
		return nil
	}
	return err
}

// emptyFolder removes the files and folders in a folder of shards.
func (s *Storage) emptyFolder(ctx context.Context, name string) error {
	c, err := s.root.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	return eachName(c, ".", func(shard string) error {
		if info, err := c.Lstat(shard); err == nil && info.IsDir() {
			if err := removeFiles(ctx, c, shard); err != nil {
				return err
			}
		}
		err := c.Remove(shard)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) { // removed, or written to, by somebody else
			return nil
		}
		return err
	})
}

func removeFiles(ctx context.Context, c *os.Root, shard string) error {
	return eachName(c, shard, func(file string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return c.RemoveAll(shard + "/" + file)
	})
}

// eachName calls f with the names in a folder, in no order, without holding all of them in memory. A missing folder has none.
func eachName(c *os.Root, folder string, f func(name string) error) error {
	const batch = 1_000
	d, err := c.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(batch)
		for _, name := range names {
			if err := f(name); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
