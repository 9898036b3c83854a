package service_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

func TestPutUserMakesOneWorkspace(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		users := make([]stacksync.User, 16)
		var running sync.WaitGroup
		for i := range users {
			running.Go(func() {
				res, err := w.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: "zoë"})
				if err != nil {
					t.Errorf("put user: %v", err)
				}
				users[i] = res.User
			})
		}
		running.Wait()
		for _, u := range users {
			require.Equal(t, users[0], u)
		}
		zoe := w.device("zoë")
		res, err := w.svc.ListWorkspaces(t.Context(), stacksync.ListWorkspacesRequest{Actor: zoe})
		require.NoError(t, err)
		require.Len(t, res.Workspaces, 1)
		mount := res.Workspaces[0]
		require.Equal(t, users[0].DefaultWorkspace, mount.ID)
		require.Equal(t, stacksync.Owner, mount.Member.Role)
		require.True(t, mount.Provisioned)
		require.Regexp(t, `^ws-[a-z2-7]{26}$`, mount.Container)
	})
}

func TestPutUserChangesTheLimit(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.QuotaLimit = 7 })
	put := func(limit *int64) int64 {
		res, err := w.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: w.actor.User, QuotaLimit: limit})
		require.NoError(t, err)
		got, err := w.svc.GetUser(t.Context(), stacksync.GetUserRequest{User: w.actor.User})
		require.NoError(t, err)
		require.Equal(t, res.User, got.User)
		return got.User.QuotaLimit
	}
	require.EqualValues(t, 7, put(nil), "the default of the configuration")
	nine, none, negative := int64(9), int64(0), int64(-1)
	require.EqualValues(t, 9, put(&nine))
	require.EqualValues(t, 9, put(nil), "left as it is")
	require.EqualValues(t, 0, put(&none))
	_, err := w.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: w.actor.User, QuotaLimit: &negative})
	require.ErrorIs(t, err, stacksync.ErrInvalid)
	_, err = w.svc.GetUser(t.Context(), stacksync.GetUserRequest{User: "nobody"})
	require.ErrorIs(t, err, stacksync.ErrUserNotFound)
}

// brokenStorage fails to make containers until it is mended.
type brokenStorage struct {
	stacksync.StorageProvisioner
	broken bool
}

func (b *brokenStorage) Unwrap() stacksync.StorageProvisioner { return b.StorageProvisioner }

func (b *brokenStorage) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
	if b.broken {
		return stacksync.CreateContainerResult{}, errors.New("storage is down")
	}
	return b.StorageProvisioner.CreateContainer(ctx, p)
}

// A user whose container could not be made gets it at the next call that needs it: the same one, since the rows that name it were first.
func TestPutUserHealsAMissingContainer(t *testing.T) {
	var storage *brokenStorage
	w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) {
		storage = &brokenStorage{StorageProvisioner: c.Storage}
		c.Storage = storage
	})
	storage.broken = true
	_, err := w.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: "bob"})
	require.ErrorContains(t, err, "storage is down")
	require.ErrorContains(t, err, "create container")
	bob := w.device("bob")
	user, err := w.svc.GetUser(t.Context(), stacksync.GetUserRequest{User: "bob"})
	require.NoError(t, err)
	w.actor, w.ws = bob, user.User.DefaultWorkspace
	storage.broken = false
	w.must(w.file(stacksync.ItemID{}, "f", "content")) // its upload makes the container too
	again, err := w.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: "bob"})
	require.NoError(t, err)
	require.Equal(t, w.ws, again.User.DefaultWorkspace)
}

func TestUserIDs(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	for _, good := range []stacksync.UserID{"a", "名前", "a b/c.*#>", stacksync.UserID(strings.Repeat("x", 255))} {
		actor, ws := w.join(good)
		w.actor, w.ws = actor, ws
		w.must(w.folder(stacksync.ItemID{}, "n"))
	}
	for _, bad := range []stacksync.UserID{"", "a\x00", "a\n", "\xff", stacksync.UserID(strings.Repeat("x", 256))} {
		_, err := w.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: bad})
		var field *stacksync.FieldError
		require.ErrorAs(t, err, &field, "%q", bad)
		require.Equal(t, "User", field.Field)
	}
}

func TestDevices(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t), func(c *service.Config) { c.Limits.Devices = 3 })
		ctx, ada := t.Context(), stacksync.Actor{User: "ada"}
		id := stacksync.DeviceID{UUID: uuid.New()}
		register := func(id stacksync.DeviceID, name string) (stacksync.Device, error) {
			res, err := w.svc.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: ada, ID: id, Name: name})
			return res.Device, err
		}
		first, err := register(id, "phone")
		require.NoError(t, err)
		again, err := register(id, "phone")
		require.NoError(t, err)
		require.Equal(t, first, again, "the same call makes no second device")
		renamed, err := register(id, "old phone")
		require.NoError(t, err)
		require.Equal(t, first.CreatedAt, renamed.CreatedAt)

		// The same id is another device under another user.
		bob, _ := w.join("bob")
		_, err = w.svc.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: bob, ID: id, Name: "bob's"})
		require.NoError(t, err)
		_, err = w.svc.RevokeDevice(ctx, stacksync.RevokeDeviceRequest{Actor: bob, ID: id})
		require.NoError(t, err)

		list, err := w.svc.ListDevices(ctx, stacksync.ListDevicesRequest{Actor: ada})
		require.NoError(t, err)
		require.Len(t, list.Devices, 2)
		require.Equal(t, renamed, list.Devices[1], "oldest first")
		require.False(t, list.Devices[1].Revoked)

		revoked, err := w.svc.RevokeDevice(ctx, stacksync.RevokeDeviceRequest{Actor: ada, ID: id})
		require.NoError(t, err)
		require.True(t, revoked.Device.Revoked)
		_, err = w.svc.RevokeDevice(ctx, stacksync.RevokeDeviceRequest{Actor: ada, ID: id})
		require.NoError(t, err, "revoking twice")
		_, err = register(id, "back again")
		require.ErrorIs(t, err, stacksync.ErrDeviceRevoked)

		for _, name := range []string{"second", "third"} { // a revoked one does not count
			_, err = register(stacksync.DeviceID{}, name)
			require.NoError(t, err)
		}
		_, err = register(stacksync.DeviceID{}, "fourth")
		require.ErrorIs(t, err, stacksync.ErrLimit)
		require.ErrorContains(t, err, "3")
		_, err = register(id, strings.Repeat("n", 256))
		require.ErrorIs(t, err, stacksync.ErrLimit)
	})
}
