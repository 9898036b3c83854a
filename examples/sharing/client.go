package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/device"
)

// client is the program on one device of a user. It keeps every workspace of the user in a folder of its own:
//
//	ada's laptop/
//	    home/     the user's default workspace
//	    garden/   a shared workspace, under the name that the user has for it
//
// A shared folder may be shown inside "home" as well, where Member.MountParent says. Side by side, each folder is an affair of its own,
// and nothing has to be kept out of another one.
//
// Which workspaces there are, FollowWorkspaces tells: see arrange. What is in each is the business of a device.Device.
type client struct {
	server *server
	log    *slog.Logger
	actor  stacksync.Actor
	name   string
	dir    string
	home   *folder
	shared map[stacksync.WorkspaceID]*folder

	lists  chan stacksync.ListWorkspacesResult // the newest that was not looked at
	ended  chan error
	cancel context.CancelFunc
}

const (
	homeName = "home"
	stateDir = ".stacksync" // where a device.Device keeps what it knows, in its folder
)

// newClient registers a device of a user, with an empty home.
func newClient(ctx context.Context, s *server, user stacksync.User, name, dir string, log *slog.Logger) (*client, error) {
	res, err := s.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: stacksync.Actor{User: user.ID}, Name: name})
	if err != nil {
		return nil, err
	}
	c := &client{
		server: s, log: log.With("device", name), actor: stacksync.Actor{User: user.ID, Device: res.Device.ID}, name: name, dir: dir,
		shared: map[stacksync.WorkspaceID]*folder{}, lists: make(chan stacksync.ListWorkspacesResult, 1), ended: make(chan error, 1),
	}
	home := filepath.Join(dir, homeName)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	c.home = &folder{dir: home, mount: stacksync.Mount{Workspace: stacksync.Workspace{ID: user.DefaultWorkspace}}}
	return c, c.open(c.home)
}

// follow begins to listen for changes of the user's rights: a folder was shared or unshared, a role or a mount has changed.
func (c *client) follow(ctx context.Context) {
	ctx, c.cancel = context.WithCancel(ctx)
	go func() {
		for list, err := range c.server.FollowWorkspaces(ctx, stacksync.ListWorkspacesRequest{Actor: c.actor}) {
			if err != nil {
				c.ended <- err // a program that is to run for years would begin again after a while
				return
			}
			select {
			case <-c.lists: // nobody needs the older one
			default:
			}
			c.lists <- list
		}
	}()
}

// await takes over what follow hears until something is so.
func (c *client) await(ctx context.Context, so func() bool) error {
	for !so() {
		select {
		case list := <-c.lists:
			if err := c.arrange(ctx, list); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		case err := <-c.ended:
			c.ended <- err // for close
			return fmt.Errorf("%s follows its workspaces: %w", c.name, err)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", c.name, context.Cause(ctx))
		}
	}
	return nil
}

// arrange makes the folders what the list says. Between two lists much may have happened: only the difference counts.
func (c *client) arrange(ctx context.Context, list stacksync.ListWorkspacesResult) error {
	listed := map[stacksync.WorkspaceID]bool{}
	for i := range list.Workspaces {
		listed[list.Workspaces[i].ID] = true
	}
	for id, f := range c.shared {
		if !listed[id] {
			delete(c.shared, id)
			if err := c.lose(ctx, f); err != nil {
				return fmt.Errorf("put %q away: %w", f.mount.Member.MountName, err)
			}
		}
	}
	for _, m := range list.Workspaces {
		if m.Folder.IsZero() {
			continue // the default workspace
		}
		var err error
		switch f := c.shared[m.ID]; {
		case f == nil:
			err = c.appear(ctx, m)
		case f.mount.Member.MountName != m.Member.MountName:
			err = c.rename(f, m)
		default:
			f.mount = m
		}
		if err != nil {
			return fmt.Errorf("show %q: %w", m.Member.MountName, err)
		}
	}
	return nil
}

// garden returns the only shared folder of the show, nil where the device has none.
func (c *client) garden() *folder {
	for _, f := range c.shared {
		return f
	}
	return nil
}

// folders are all that the device syncs.
func (c *client) folders() []*folder {
	all := []*folder{c.home}
	for _, f := range c.shared {
		all = append(all, f)
	}
	return all
}

// sync syncs all folders once.
func (c *client) sync(ctx context.Context) (device.Report, error) {
	var sum device.Report
	for _, f := range c.folders() {
		r, err := f.Sync(ctx)
		if err == nil && len(r.Problems) > 0 {
			err = fmt.Errorf("%d problems, the first: %v", len(r.Problems), r.Problems[0])
		}
		if err != nil {
			return sum, fmt.Errorf("%s syncs %s: %w", c.name, f.dir, err)
		}
		sum.Committed += r.Committed
		sum.ItemsApplied += r.ItemsApplied
		sum.BytesUploaded += r.BytesUploaded
		sum.BytesDownloaded += r.BytesDownloaded
		sum.Conflicts = append(sum.Conflicts, r.Conflicts...)
	}
	return sum, nil
}

// close ends what follow began, and closes the folders.
func (c *client) close() error {
	var errs []error
	if c.cancel != nil {
		c.cancel()
		if err := <-c.ended; !errors.Is(err, context.Canceled) {
			errs = append(errs, fmt.Errorf("%s follows its workspaces: %w", c.name, err))
		}
	}
	for _, f := range c.folders() {
		if f.Device != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
