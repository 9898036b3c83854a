package grant

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/operation"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

const (
	// keyTimeout bounds how long the storage may take to change a secret, or a list of access.
	keyTimeout = time.Minute
	// maxWaiting bounds how many running operations make the account of one user, and how many give
	// it a secret for repeated revocations: while the storage is down they pile up.
	maxWaiting = 8
)

// Granter tells the storage which accounts reach which containers, and gives accounts their
// secrets. Its methods may be called from many goroutines.
type Granter struct {
	*operation.Engine
	key []byte // Config.AccountKey
}

// New makes a granter. key is Config.AccountKey. Where the kernel has no Accounts the granter does
// nothing.
func New(e *operation.Engine, key []byte) *Granter { return &Granter{Engine: e, key: key} }

// account is the payload of the operations about a storage account. Home is the default workspace
// of the account's user: the user's id may belong to another user by now, who has another default
// workspace.
type account struct {
	Home stacksync.WorkspaceID `json:"home,omitzero"`
}

// Payload makes the payload of the kinds OperationKey and OperationAccount.
func Payload() any { return new(account) }

// Home returns the default workspace of the user whose account an operation is about.
func Home(o *stacksync.Operation) (stacksync.WorkspaceID, error) {
	var a account
	err := operation.Decode(o, &a)
	return a.Home, err
}

// Account is the Task.Result of an OperationAccount: what its steps have found out.
type Account struct {
	Login string
	// Unlisted are the workspaces that the account does not reach.
	Unlisted []stacksync.WorkspaceID
}

// RecordAccount records the operation that makes an actor's account. It removes the user's
// operations of that kind that have stopped, since the new one does all their work. ErrBusy while 8
// of them are running. ErrUserNotFound, ErrDeviceNotFound, ErrDeviceRevoked.
func (g *Granter) RecordAccount(ctx context.Context, actor stacksync.Actor) (op stacksync.Operation, err error) {
	var stopped []stacksync.OperationID
	err = g.Store.View(ctx, func(ctx context.Context, rd stacksync.Reader) error {
		if _, _, err := session.Devices(ctx, rd, actor); err != nil {
			return err
		}
		stopped, err = operation.OfUser(ctx, rd, actor.User, stacksync.OperationAccount, stacksync.OperationStopped)
		return err
	})
	if err != nil {
		return op, err
	}
	err = g.Write(ctx, stacksync.LockParams{Users: []stacksync.UserID{actor.User}, Operations: stopped}, func(ctx context.Context, w *session.Write) error {
		user, _, err := session.Devices(ctx, w, actor)
		if err != nil {
			return err
		}
		running, err := operation.OfUser(ctx, w, actor.User, stacksync.OperationAccount, stacksync.OperationRunning)
		if err != nil {
			return err
		}
		if len(running) >= maxWaiting {
			return fmt.Errorf("%w: %d operations make the account", stacksync.ErrBusy, len(running))
		}
		still, err := operation.OfUser(ctx, w, actor.User, stacksync.OperationAccount, stacksync.OperationStopped)
		if err != nil {
			return err
		}
		replaced := slices.DeleteFunc(still, func(id stacksync.OperationID) bool { return !slices.Contains(stopped, id) })
		if _, err := w.Remove(ctx, stacksync.RemoveParams{Operations: replaced}); err != nil {
			return err
		}
		op, err = g.Record(w, stacksync.OperationAccount, user.ID, stacksync.WorkspaceID{}, stacksync.WorkspaceID{}, &account{Home: user.DefaultWorkspace})
		return err
	})
	return op, err
}

// RecordKey records the operation that gives a user's storage account the secret that belongs to
// the user's devices. Where the service offers no accounts it records nothing and returns nil.
// again says that the device was revoked before: then RecordKey returns ErrBusy once 8 such
// operations are running.
func (g *Granter) RecordKey(ctx context.Context, w *session.Write, user *stacksync.User, again bool) (*stacksync.Operation, error) {
	if g.Accounts == nil {
		return nil, nil
	}
	if again {
		running, err := operation.OfUser(ctx, w, user.ID, stacksync.OperationKey, stacksync.OperationRunning)
		if err != nil {
			return nil, err
		}
		if len(running) >= maxWaiting {
			return nil, fmt.Errorf("%w: %d operations give the account a secret", stacksync.ErrBusy, len(running))
		}
	}
	op, err := g.Record(w, stacksync.OperationKey, user.ID, stacksync.WorkspaceID{}, stacksync.WorkspaceID{}, &account{Home: user.DefaultWorkspace})
	return &op, err
}

// KeyStep gives the account of the operation's user its secret. In an OperationKey it makes no
// account for a user without one.
func (g *Granter) KeyStep(ctx context.Context, t *operation.Task) error {
	if g.Accounts == nil {
		return nil
	}
	login, err := g.keyAccount(ctx, t.Op.User, t.Op.Kind == stacksync.OperationKey)
	if errors.Is(err, stacksync.ErrUserNotFound) { // deleted meanwhile, with the account
		return nil
	}
	t.Result = &Account{Login: login}
	return err
}

// keyAccount gives the account of a user the secret that belongs to the user's devices, and returns
// the account's login. Afterwards it reads the devices again, and begins anew if one was revoked
// meanwhile: the secret that was set last might be one that the revoked device knows. Only
// operations call it: see grant.
func (g *Granter) keyAccount(ctx context.Context, user stacksync.UserID, ifExists bool) (login string, err error) {
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	var set []byte // the devices that the secret was made of, as secretOf gives them
	err = session.Settle("put storage account: devices", func() (bool, error) {
		var now []byte
		err := g.Store.View(ctx, func(ctx context.Context, rd stacksync.Reader) error {
			u, devices, err := session.Devices(ctx, rd, stacksync.Actor{User: user})
			now = secretOf(&u, devices)
			return err
		})
		// The user was deleted meanwhile. This try, or an earlier one, may have made the account
		// after the deletion had removed it.
		if errors.Is(err, stacksync.ErrUserNotFound) {
			if _, gone := g.Accounts.DeleteAccount(ctx, stacksync.DeleteAccountParams{Account: AccountOf(user)}); gone != nil {
				return false, fmt.Errorf("delete storage account: %w", gone)
			}
		}
		if err != nil {
			return false, err
		}
		if set != nil && slices.Equal(set, now) {
			return true, nil
		}
		set = now
		put, err := g.Accounts.PutAccount(ctx, stacksync.PutAccountParams{Account: AccountOf(user), Secret: g.secret(user, now), IfExists: ifExists})
		if err != nil {
			return false, fmt.Errorf("put storage account: %w", err)
		}
		login = put.Login
		return false, nil
	})
	if err != nil {
		return "", err
	}
	return login, nil
}

// DeleteStep deletes the storage account of a user who is to be deleted.
func (g *Granter) DeleteStep(ctx context.Context, t *operation.Task) error {
	if g.Accounts == nil {
		return nil
	}
	_, err := g.Accounts.DeleteAccount(ctx, stacksync.DeleteAccountParams{Account: AccountOf(t.Op.User)})
	return err
}

// AccountOf returns the name of a user's account at the storage: always the same, and a name that
// every storage takes.
func AccountOf(u stacksync.UserID) string {
	sum := sha256.Sum256([]byte(u))
	return "u-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:20]))
}

// secret derives the secret of a user's account, so that no secret is ever saved. After a device
// was revoked the secret is another one, since that device knows the former secret.
func (g *Granter) secret(u stacksync.UserID, of []byte) stacksync.Secret {
	mac := hmac.New(sha256.New, g.key)
	mac.Write(fmt.Appendf(nil, "stacksync storage account 1\x00%d\x00%s\x00", len(u), u))
	mac.Write(of)
	return stacksync.Secret(base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// SecretOf returns the secret of a user's account. devices are all devices of the user.
func (g *Granter) SecretOf(u *stacksync.User, devices []stacksync.Device) stacksync.Secret {
	return g.secret(u.ID, secretOf(u, devices))
}

// secretOf returns the data that a user's secret is made of, beside the id: the default workspace,
// since a new user may get the id of a deleted one; and the devices that were revoked. It is never
// nil.
func secretOf(u *stacksync.User, devices []stacksync.Device) []byte {
	ids := []string{}
	for i := range devices {
		if devices[i].Revoked {
			ids = append(ids, string(devices[i].ID.UUID[:]))
		}
	}
	slices.Sort(ids)
	return []byte(string(u.DefaultWorkspace.UUID[:]) + strings.Join(ids, ""))
}
