package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

func (w *world) account(actor stacksync.Actor) stacksync.StorageAccountResult {
	w.Helper()
	res, err := w.svc.StorageAccount(w.Context(), stacksync.StorageAccountRequest{Actor: actor})
	require.NoError(w, err)
	return res
}

func (w *world) revoke(d stacksync.DeviceID) error {
	_, err := w.svc.RevokeDevice(w.Context(), stacksync.RevokeDeviceRequest{Actor: stacksync.Actor{User: w.actor.User}, ID: d})
	return err
}

func TestStorageAccount(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		a := newAccounts()
		w := newWorld(t, open(t), onStorage(a), withKey)
		phone := w.device(w.actor.User)
		res := w.account(w.actor)
		require.Len(t, a.secrets, 1)
		var account string
		for account = range a.secrets {
			require.Equal(t, res.Secret, a.secrets[account])
			require.Regexp(t, `^u-[a-z2-7]{32}$`, account)
		}
		require.Equal(t, "login-"+account, res.Login)
		require.Equal(t, res, w.account(phone), "all devices of a user have one account")
		require.Len(t, a.grants, 1)
		for _, grants := range a.grants {
			require.Equal(t, []stacksync.Grant{{Account: account, Permission: stacksync.ReadWrite}}, grants)
		}

		require.NoError(t, w.revoke(phone.Device))
		require.NotEqual(t, res.Secret, a.secrets[account], "the revoked device knows the former one")
		after := w.account(w.actor)
		require.Equal(t, a.secrets[account], after.Secret)
		_, err := w.svc.StorageAccount(t.Context(), stacksync.StorageAccountRequest{Actor: phone})
		require.ErrorIs(t, err, stacksync.ErrDeviceRevoked)
		_, err = w.svc.StorageAccount(t.Context(), stacksync.StorageAccountRequest{Actor: stacksync.Actor{User: w.actor.User}})
		require.ErrorIs(t, err, stacksync.ErrInvalid, "a device is needed")

		up, err := w.svc.PrepareUpload(t.Context(), stacksync.PrepareUploadRequest{Actor: w.actor, Workspace: w.ws, Chunks: []stacksync.Chunk{chunkOf("x")}, Via: stacksync.ViaAccount})
		require.NoError(t, err)
		require.Equal(t, "test", up.Location.Protocol)
		require.Equal(t, "object of "+chunkOf("x").Name, up.Missing[0].Object)
		require.Zero(t, up.Missing[0].Request)
	})
}

// A revocation makes no account for who never asked for one. If the storage is down, it is told later, without another call.
func TestRevokeDeviceTellsTheStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccounts()
		w := newWorld(t, memory.New(memory.Config{}), onStorage(a), withKey)
		phone, tablet := w.device(w.actor.User), w.device(w.actor.User)
		require.NoError(t, w.revoke(tablet.Device))
		require.Empty(t, a.secrets)

		former := w.account(w.actor).Secret
		var down atomic.Bool
		down.Store(true)
		a.put = func(stacksync.PutAccountParams) error {
			if down.Load() {
				return errCut
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := w.svc.RevokeDevice(ctx, stacksync.RevokeDeviceRequest{Actor: phone, ID: phone.Device})
		var operation *stacksync.OperationError
		require.ErrorAs(t, err, &operation)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, stacksync.OperationKey, operation.Operation.Kind)
		_, err = w.svc.Changes(t.Context(), stacksync.ChangesRequest{Actor: phone, Workspace: w.ws})
		require.ErrorIs(t, err, stacksync.ErrDeviceRevoked, "it is revoked all the same")
		down.Store(false)
		time.Sleep(10 * time.Minute)
		a.mu.Lock()
		for _, secret := range a.secrets {
			assert.NotEqual(t, former, secret)
		}
		a.mu.Unlock()
		ops, err := w.svc.ListOperations(t.Context(), stacksync.ListOperationsRequest{Actor: w.actor})
		require.NoError(t, err)
		require.Empty(t, ops.Operations, "nothing is left of it")
		_, err = w.svc.RevokeDevice(t.Context(), stacksync.RevokeDeviceRequest{Actor: phone, ID: phone.Device})
		require.NoError(t, err, "a device that has revoked itself may say so again")
	})
}

// The secret that a revoked device knows is not the last one to be set, however the calls overtake each other, and whoever asks.
func TestStorageAccountBesideRevocation(t *testing.T) {
	t.Run("of another", func(t *testing.T) { testAccountBesideRevocation(t, false) })
	t.Run("of its own", func(t *testing.T) { testAccountBesideRevocation(t, true) })
}

func testAccountBesideRevocation(t *testing.T, own bool) {
	a := newAccounts()
	w := newWorld(t, memory.New(memory.Config{}), onStorage(a), withKey)
	phone := w.device(w.actor.User)
	known := w.account(phone).Secret
	calls := 0
	a.put = func(p stacksync.PutAccountParams) error {
		if calls++; calls == 1 { // the revocation runs, and is over, before this secret is set
			require.Equal(t, known, p.Secret)
			return w.revoke(phone.Device)
		}
		return nil
	}
	asks := w.actor
	if own {
		asks = phone
	}
	res, err := w.svc.StorageAccount(t.Context(), stacksync.StorageAccountRequest{Actor: asks})
	if own {
		require.ErrorIs(t, err, stacksync.ErrDeviceRevoked)
		require.Zero(t, res)
	} else {
		require.NoError(t, err)
		require.Equal(t, a.secrets[accountOf(w.actor.User)], res.Secret)
	}
	require.NotEqual(t, known, a.secrets[accountOf(w.actor.User)])
}

// A caller who goes away does not leave a secret that a revoked device knows: what was begun is brought to its end.
func TestStorageAccountCallerGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccounts()
		w := newWorld(t, memory.New(memory.Config{}), onStorage(a), withKey)
		phone := w.device(w.actor.User)
		known := w.account(phone).Secret
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		a.put = func(stacksync.PutAccountParams) error {
			if calls++; calls == 1 {
				cancel()
				return w.revoke(phone.Device)
			}
			return nil
		}
		_, err := w.svc.StorageAccount(ctx, stacksync.StorageAccountRequest{Actor: w.actor})
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait()
		require.Greater(t, calls, 2)
		for _, secret := range a.secrets {
			require.NotEqual(t, known, secret)
		}
	})
}

// A storage that is down holds up the caller no longer than the caller wants, and is told when it is back. One that refuses leaves one
// operation behind, however often a device asks.
func TestStorageAccountOfAStorageThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccounts()
		w := newWorld(t, memory.New(memory.Config{}), onStorage(a), withKey)
		fault := atomic.Pointer[error]{}
		fault.Store(&errCut)
		a.put = func(stacksync.PutAccountParams) error { return *fault.Load() }
		ask := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := w.svc.StorageAccount(ctx, stacksync.StorageAccountRequest{Actor: w.actor})
			return err
		}
		operations := func() int {
			ops, err := w.svc.ListOperations(t.Context(), stacksync.ListOperationsRequest{Actor: w.actor})
			require.NoError(t, err)
			return len(ops.Operations)
		}
		var operation *stacksync.OperationError
		for range 8 {
			err := ask()
			require.ErrorAs(t, err, &operation)
			require.Equal(t, stacksync.OperationAccount, operation.Operation.Kind)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.ErrorIs(t, ask(), stacksync.ErrBusy)
		require.Equal(t, 8, operations())
		none := error(nil)
		fault.Store(&none)
		time.Sleep(10 * time.Minute)
		require.Zero(t, operations())
		require.Len(t, a.secrets, 1)

		refusal := fmt.Errorf("%w: by policy", stacksync.ErrForbidden)
		fault.Store(&refusal)
		for range 3 {
			require.ErrorIs(t, ask(), stacksync.ErrForbidden)
			require.Equal(t, 1, operations())
		}
		fault.Store(&none)
		require.NoError(t, ask())
		require.Zero(t, operations())
	})
}

// A revocation that is said again and again piles up nothing; a first one is always taken.
func TestRevokeDeviceAgainWhileTheStorageIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccounts()
		w := newWorld(t, memory.New(memory.Config{}), onStorage(a), withKey)
		w.account(w.actor)
		lost, stolen := w.device(w.actor.User), w.device(w.actor.User)
		var fault atomic.Pointer[error]
		fault.Store(&errCut)
		a.put = func(stacksync.PutAccountParams) error { return *fault.Load() }
		revoke := func(device stacksync.DeviceID) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := w.svc.RevokeDevice(ctx, stacksync.RevokeDeviceRequest{Actor: w.actor, ID: device})
			return err
		}
		var operation *stacksync.OperationError
		for range 8 {
			require.ErrorAs(t, revoke(lost.Device), &operation)
		}
		require.ErrorIs(t, revoke(lost.Device), stacksync.ErrBusy)
		require.ErrorAs(t, revoke(stolen.Device), &operation)
		none := error(nil)
		fault.Store(&none)
		time.Sleep(10 * time.Minute)
		ops, err := w.svc.ListOperations(t.Context(), stacksync.ListOperationsRequest{Actor: w.actor})
		require.NoError(t, err)
		require.Empty(t, ops.Operations)
		require.NoError(t, revoke(lost.Device))
	})
}

// Where the storage can't list all members, the first ones are listed, the others are told; who goes is listed no more.
func TestLongListsOfAccess(t *testing.T) {
	a := newAccounts()
	a.most = 2
	w := newWorld(t, memory.New(memory.Config{}), onStorage(a), withKey)
	bob, _ := w.join("bob")
	eve, _ := w.join("eve")
	w.join("zoe")
	s := w.shelf()
	ws := w.share(s.folder.Item, stacksync.Invitee{User: "bob"}).Workspace
	shared := w.at(w.actor, ws.ID)
	_, err := shared.invite(stacksync.Invitee{User: "eve"}, stacksync.Invitee{User: "zoe"})
	require.NoError(t, err, "they reach it in other ways")
	listed := func() (accounts []string) {
		for _, g := range a.grants[ws.Container] {
			accounts = append(accounts, g.Account)
		}
		return accounts
	}
	require.Equal(t, []string{accountOf("ada"), accountOf("bob")}, listed(), "the owner, and who came first")
	require.Empty(t, w.account(bob).Unlisted)
	require.Equal(t, []stacksync.WorkspaceID{ws.ID}, w.account(eve).Unlisted)
	require.NoError(t, shared.unshare("bob"))
	require.Equal(t, []string{accountOf("ada"), accountOf("eve")}, listed())
	require.Empty(t, w.account(eve).Unlisted)
	require.NoError(t, shared.unshare("eve"))
	require.Equal(t, []string{accountOf("ada"), accountOf("zoe")}, listed())

	// A workspace for which the storage refuses the list keeps an account off no other.
	a.set = func(p stacksync.SetAccessParams) error {
		if p.Container == ws.Container {
			return fmt.Errorf("%w: by policy", stacksync.ErrForbidden)
		}
		return nil
	}
	res := w.account(w.actor)
	require.Equal(t, []stacksync.WorkspaceID{ws.ID}, res.Unlisted)
	require.Equal(t, a.secrets[accountOf("ada")], res.Secret)
}

// Secrets differ by user and by key, and are shown nowhere but in JSON for the client.
func TestSecretsAreSecret(t *testing.T) {
	seen := []stacksync.Secret{}
	for _, key := range []string{strings.Repeat("k", 32), strings.Repeat("l", 32)} {
		a := newAccounts()
		w := newWorld(t, memory.New(memory.Config{}), onStorage(a), func(c *service.Config) { c.AccountKey = []byte(key) })
		res := w.account(w.actor)
		require.NotContains(t, seen, res.Secret)
		seen = append(seen, res.Secret)
		actor, _ := w.join("bob")
		bob := w.account(actor)
		require.NotContains(t, seen, bob.Secret)
		require.NotEqual(t, bob.Login, res.Login)
		seen = append(seen, bob.Secret)
	}
	res := stacksync.StorageAccountResult{Login: "l", Secret: seen[0]}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", res.Secret, "result", res)
	for _, text := range []string{fmt.Sprint(res), fmt.Sprintf("%+v %#v %s %q", res, res, res.Secret, res.Secret), log.String(), fmt.Sprint(stacksync.PutAccountParams{Secret: seen[0]})} {
		require.NotContains(t, text, string(seen[0]))
		require.Contains(t, text, "[secret]")
	}
	text, err := json.Marshal(res)
	require.NoError(t, err)
	require.JSONEq(t, `{"login": "l", "secret": "`+string(seen[0])+`"}`, string(text))
	require.LessOrEqual(t, len(seen[0]), 64, "as PutAccountParams asks")
}
