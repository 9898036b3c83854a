package device_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go"
	storage "github.com/stacksync/stacksync-go/backend/memory"
	"github.com/stacksync/stacksync-go/examples/device"
	"github.com/stacksync/stacksync-go/internal/testsize"
	metadata "github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/notify/local"
	"github.com/stacksync/stacksync-go/service"
)

func TestMain(m *testing.M) {
	testsize.Rapid()
	testsize.AtOnce(8)
	goleak.VerifyTestMain(m)
}

// tb is what rapid's T and testing's T have in common.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	FailNow()
	Logf(format string, args ...any)
}

// world is a service and the devices of one user.
type world struct {
	t         tb
	ctx       context.Context
	dir       string
	cfg       service.Config
	store     stacksync.MetadataStore
	service   *service.Service
	notifier  *local.Notifier
	actor     stacksync.Actor // without a device
	workspace stacksync.WorkspaceID
	devices   []*client
	workers   int                       // of a device
	ages      int                       // see client.age
	proposed  map[stacksync.ItemID]bool // every item that was ever proposed
}

func newWorld(t *testing.T, configure ...func(*service.Config)) *world {
	w := openWorld(t.Context(), t, t.TempDir(), configure...)
	t.Cleanup(w.close)
	return w
}

func openWorld(ctx context.Context, t tb, dir string, configure ...func(*service.Config)) *world {
	w := &world{
		t: t, ctx: ctx, dir: dir, notifier: local.New(local.Config{}), actor: stacksync.Actor{User: "ada"}, workers: 2,
		proposed: map[stacksync.ItemID]bool{},
	}
	w.cfg = service.Config{Storage: storage.New(storage.Config{}), Notifier: w.notifier, ChunkHash: sha256.New}
	for _, f := range configure {
		f(&w.cfg)
	}
	w.start(metadata.New(metadata.Config{}))
	return w
}

// start starts the service on a store.
func (w *world) start(s stacksync.MetadataStore) {
	w.t.Helper()
	t, ctx := w.t, w.ctx
	var err error
	w.store = s
	w.service, err = service.New(w.store, w.cfg)
	require.NoError(t, err)
	res, err := w.service.PutUser(ctx, stacksync.PutUserRequest{User: w.actor.User})
	require.NoError(t, err)
	w.workspace = res.User.DefaultWorkspace
}

func (w *world) stop() {
	w.t.Helper()
	require.NoError(w.t, w.service.Close())
	require.NoError(w.t, w.store.Close())
}

func (w *world) close() {
	for _, c := range w.devices {
		require.NoError(w.t, c.Close())
	}
	w.stop()
	require.NoError(w.t, w.notifier.Close())
}

// tap notes what is proposed.
type tap struct {
	device.Service
	w *world
}

func (s tap) Commit(ctx context.Context, r stacksync.CommitRequest) (stacksync.CommitResult, error) {
	for i := range r.Proposals {
		s.w.proposed[r.Proposals[i].Item] = true
	}
	return s.Service.Commit(ctx, r)
}

// client is a device and its folder.
type client struct {
	*device.Device
	w    *world
	name string
	dir  string
	cfg  device.Config
}

// device registers a device and opens it. Its calls of the service go through wrap, if that is given.
func (w *world) device(name string, wrap ...func(device.Service) device.Service) *client {
	w.t.Helper()
	res, err := w.service.RegisterDevice(w.ctx, stacksync.RegisterDeviceRequest{Actor: w.actor, Name: name})
	require.NoError(w.t, err)
	c := &client{w: w, name: name, dir: filepath.Join(w.dir, name)}
	require.NoError(w.t, os.Mkdir(c.dir, 0o755))
	c.cfg = device.Config{
		Actor: stacksync.Actor{User: w.actor.User, Device: res.Device.ID}, Workspace: w.workspace, Dir: c.dir, Name: name, Workers: w.workers,
		Interval: time.Hour, NoSync: true,
	}
	c.open(wrap...)
	w.devices = append(w.devices, c)
	return c
}

func (c *client) open(wrap ...func(device.Service) device.Service) {
	c.w.t.Helper()
	var service device.Service = tap{c.w.service, c.w}
	for _, f := range wrap {
		service = f(service)
	}
	var err error
	c.Device, err = device.Open(service, c.cfg)
	require.NoError(c.w.t, err)
}

// restart opens the device anew, from its files.
func (c *client) restart(wrap ...func(device.Service) device.Service) {
	c.w.t.Helper()
	require.NoError(c.w.t, c.Close())
	c.open(wrap...)
}

func (c *client) sync() device.Report {
	c.w.t.Helper()
	report, err := c.Sync(c.w.ctx)
	require.NoError(c.w.t, err, c.name)
	require.Empty(c.w.t, report.Problems, c.name)
	return report
}

func (c *client) at(name string) string { return filepath.Join(c.dir, filepath.FromSlash(name)) }

// write writes a file as if it had been written long ago. A device that has hashed it relies on its stamp then; one that was just
// written it would read again the next time.
func (c *client) write(name, content string) {
	c.w.t.Helper()
	require.NoError(c.w.t, os.MkdirAll(filepath.Dir(c.at(name)), 0o755))
	require.NoError(c.w.t, os.WriteFile(c.at(name), []byte(content), 0o644))
	c.age(name)
}

// age gives a file a time of change that is long ago, and that no other file has.
func (c *client) age(name string) {
	c.w.t.Helper()
	c.w.ages++
	at := time.Date(2020, 1, 1, 0, 0, c.w.ages, 0, time.UTC)
	require.NoError(c.w.t, os.Chtimes(c.at(name), at, at))
}

func (c *client) chmod(name string, mode os.FileMode) {
	c.w.t.Helper()
	require.NoError(c.w.t, os.Chmod(c.at(name), mode))
	c.age(name) // or the change might be within one tick of the file system's clock
}

func (c *client) mkdir(name string) {
	c.w.t.Helper()
	require.NoError(c.w.t, os.MkdirAll(c.at(name), 0o755))
}

func (c *client) rename(from, to string) {
	c.w.t.Helper()
	require.NoError(c.w.t, os.Rename(c.at(from), c.at(to)))
}

func (c *client) remove(name string) {
	c.w.t.Helper()
	require.NoError(c.w.t, os.RemoveAll(c.at(name)))
}

// tree returns the content of each file, and "/" for each folder, by path.
func (c *client) tree() map[string]string {
	c.w.t.Helper()
	tree := map[string]string{}
	err := fs.WalkDir(os.DirFS(c.dir), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".":
		case name == ".stacksync":
			return fs.SkipDir
		case e.IsDir():
			tree[name] = "/"
		case e.Type().IsRegular():
			content, err := os.ReadFile(c.at(name))
			tree[name] = string(content)
			return err
		}
		return nil
	})
	require.NoError(c.w.t, err)
	return tree
}

// programs returns the paths of the executable files.
func (c *client) programs() (found []string) {
	c.w.t.Helper()
	for name, content := range c.tree() {
		info, err := os.Lstat(c.at(name))
		require.NoError(c.w.t, err)
		if content != "/" && info.Mode()&0o100 != 0 {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// paths returns the paths of a tree, for messages.
func paths(tree map[string]string) []string { return slices.Sorted(maps.Keys(tree)) }

// converge syncs all devices until nothing changes anywhere, and checks that all trees are equal.
func (w *world) converge() map[string]string {
	w.t.Helper()
	for range 10 {
		quiet := true
		for _, c := range w.devices {
			r := c.sync()
			quiet = quiet && r.Committed == 0 && r.ItemsApplied == 0
		}
		if quiet {
			break
		}
	}
	first := w.devices[0]
	for _, c := range w.devices[1:] {
		require.Equal(w.t, first.tree(), c.tree(), "%s and %s differ", first.name, c.name)
		require.Equal(w.t, first.programs(), c.programs(), "modes on %s and %s differ", first.name, c.name)
	}
	return first.tree()
}

// server returns the live tree as the service has it: folders with "/", files with their checksums.
func (w *world) server() map[string]stacksync.Item {
	w.t.Helper()
	tree := map[string]stacksync.Item{}
	var read func(parent stacksync.ItemID, dir string)
	read = func(parent stacksync.ItemID, dir string) {
		for after, more := "", true; more; {
			res, err := w.service.ListChildren(w.ctx, stacksync.ListChildrenRequest{Actor: w.actor, Workspace: w.workspace, Parent: parent, After: after})
			require.NoError(w.t, err)
			for _, it := range res.Items {
				name := path.Join(dir, it.Name)
				tree[name] = it
				if it.Kind == stacksync.Folder {
					read(it.ID, name)
				}
			}
			after, more = res.Next, res.Next != ""
		}
	}
	read(stacksync.ItemID{}, "")
	return tree
}

// item returns a live item by path.
func (w *world) item(name string) stacksync.Item {
	w.t.Helper()
	res, err := w.service.GetItemByPath(w.ctx, stacksync.GetItemByPathRequest{Actor: w.actor, Workspace: w.workspace, Path: name})
	require.NoError(w.t, err, name)
	return res.Item
}

// copies returns the conflicted copies among paths.
func copies(tree map[string]string) []string {
	var found []string
	for _, name := range paths(tree) {
		if strings.Contains(name, "conflicted copy") {
			found = append(found, name)
		}
	}
	return found
}

func sum(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

// remembers reports whether a version of some item, deleted ones included, has the content.
func (w *world) remembers(content string) bool {
	w.t.Helper()
	found := false
	want := sum(content)
	for id := range w.proposed {
		for before := int64(0); ; {
			res, err := w.service.ListVersions(w.ctx, stacksync.ListVersionsRequest{Actor: w.actor, Workspace: w.workspace, Item: id, Before: before})
			require.NoError(w.t, err)
			for _, it := range res.Items {
				found = found || it.Checksum == want
			}
			if before = res.Next; before == 0 {
				break
			}
		}
	}
	return found
}

// random returns content that nothing can compress or deduplicate, always the same.
func random(n int) string {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return string(data)
}
