package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/device"
)

// folder is one workspace on one device.
type folder struct {
	*device.Device
	mount  stacksync.Mount
	dir    string
	onSync func(device.Report, error) // what Run tells goes here; it changes only while there is no Run
}

// open has a device work on a folder that is there.
func (c *client) open(f *folder) (err error) {
	f.Device, err = device.Open(c.server, device.Config{
		Actor: c.actor, Workspace: f.mount.ID, Dir: f.dir, Name: c.name, Logger: c.log, Interval: time.Hour,
		OnSync: func(r device.Report, err error) { f.onSync(r, err) },
	})
	return err
}

// appear makes the folder of a workspace that is new to this device.
//
// Where the device has its content already, because the folder was the user's own until it was shared, that becomes the new folder: the
// device finds names and contents there that are the server's, and fetches nothing. What was changed in it and not yet sent is there too, and
// is kept as a conflicted copy. The home folder misses the files; the next Sync learns that the server does so as well (their tombstones
// say MovedTo), and that is that. Should Sync be faster, it removes them, and they are fetched anew, but for what was changed and not yet
// sent: that stays in the home folder, as something new.
func (c *client) appear(ctx context.Context, m stacksync.Mount) error {
	f := &folder{mount: m, dir: c.free(plain(m))}
	was, err := c.home.Locate(ctx, m.Folder)
	if err != nil {
		return err
	}
	if was == "" {
		err = os.Mkdir(f.dir, 0o700)
	} else {
		err = os.Rename(c.home.path(was), f.dir)
	}
	if err != nil {
		return err
	}
	c.log.Info("a shared folder appears", "dir", f.dir, "role", m.Member.Role, "owner", m.Owner)
	c.shared[m.ID] = f
	return c.open(f)
}

// rename follows the user's own name for a workspace. The others have theirs.
func (c *client) rename(f *folder, m stacksync.Mount) error {
	err := f.Close()
	f.Device = nil
	if err != nil {
		return err
	}
	to := c.free(plain(m))
	if err := os.Rename(f.dir, to); err != nil {
		return err
	}
	c.log.Info("a shared folder is renamed", "from", f.dir, "to", to)
	f.dir, f.mount = to, m
	return c.open(f)
}

// lose takes away the folder of a workspace that is not the user's any more.
//
// If it has returned to this user's default workspace, the files return to the home folder, where nothing has to be fetched then. Otherwise
// they are kept, under a name that says what they are: there may be changes among them that the server has not taken, and removing them would
// keep no secret, since their reader has had them. A program may well ask its user instead.
func (c *client) lose(ctx context.Context, f *folder) error {
	if err := f.Close(); err != nil {
		return err
	}
	to, err := c.returned(ctx, f)
	switch {
	case err != nil:
		return err
	case to == "":
		to = c.free(filepath.Base(f.dir) + lostMark)
	default:
		// What the device knew of them is of a workspace that is no more.
		if err := os.RemoveAll(filepath.Join(f.dir, stateDir)); err != nil {
			return err
		}
	}
	c.log.Info("a shared folder is not shared any more", "dir", f.dir, "kept as", to)
	return os.Rename(f.dir, to)
}

// lostMark is what the name of a folder ends with that is kept though its workspace is lost.
const lostMark = " (not shared any more)"

// returned returns the place of a folder that has returned to the user's default workspace, and "" if it has not, or if something is
// in its place.
func (c *client) returned(ctx context.Context, f *folder) (string, error) {
	res, err := c.server.GetItem(ctx, stacksync.GetItemRequest{Actor: c.actor, Workspace: c.home.mount.ID, Item: f.mount.Folder})
	if errors.Is(err, stacksync.ErrItemNotFound) || err == nil && res.Item.Deleted {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	parent, err := c.home.Locate(ctx, res.Item.Parent)
	if err != nil || parent == "" {
		return "", err
	}
	to := c.home.path(parent + "/" + res.Item.Name)
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return to, nil
}

// plain is the name of a mount, if this disk can have it.
func plain(m stacksync.Mount) string {
	if name := m.Member.MountName; name != "." && filepath.IsLocal(name) && filepath.Base(name) == name {
		return name
	}
	return m.ID.String()
}

// free returns a path beside the home folder that nothing has.
func (c *client) free(name string) string {
	path := filepath.Join(c.dir, name)
	for n := 2; ; n++ {
		if _, err := os.Lstat(path); err != nil {
			return path // who uses it is told what else may be wrong
		}
		path = filepath.Join(c.dir, fmt.Sprintf("%s (%d)", name, n))
	}
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func (f *folder) has(name string) bool {
	_, err := os.Lstat(f.path(name))
	return err == nil
}

func (f *folder) write(name, content string) error {
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(f.path(name), []byte(content), 0o644)
}

// edit adds a line to a file.
func (f *folder) edit(name, added string) error {
	file, err := os.OpenFile(f.path(name), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, added)
	return errors.Join(err, file.Close())
}
