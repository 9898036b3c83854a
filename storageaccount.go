package stacksync

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
)

// StorageAccountRequest is that of Transfers.StorageAccount.
type StorageAccountRequest struct {
	Actor `json:"-"` // never from a body: the host has authenticated it
}

// StorageAccountResult is that of Transfers.StorageAccount. It must reach nobody but the actor's device.
type StorageAccountResult struct {
	Login  string `json:"login"`
	Secret Secret `json:"secret"`
}

// keyTimeout bounds what the storage takes to change a secret.
const keyTimeout = time.Minute

// minAccountKey is the least length of Config.AccountKey in bytes: that of the hash.
const minAccountKey = sha256.Size

// StorageAccount implements Transfers.
func (s *Service) StorageAccount(ctx context.Context, r StorageAccountRequest) (StorageAccountResult, error) {
	return call(ctx, s, "StorageAccount", func(ctx context.Context) (StorageAccountResult, int, error) {
		res, err := s.storageAccount(ctx, r.Actor)
		return res, 1, err
	})
}

func (s *Service) storageAccount(ctx context.Context, actor Actor) (StorageAccountResult, error) {
	none := StorageAccountResult{}
	if _, err := s.choose(ViaAccount); err != nil {
		return none, err
	}
	if err := actor.check(needs{device: true}); err != nil {
		return none, err
	}
	res, err := s.keyAccount(ctx, actor, false)
	if err != nil {
		return none, err
	}
	var mounts MembershipsResult
	err = s.store.View(ctx, func(ctx context.Context, rd Reader) (err error) {
		mounts, err = rd.Memberships(ctx, MembershipsParams{User: actor.User})
		return err
	})
	if err != nil {
		return none, err
	}
	for i := range mounts.Workspaces {
		if mounts.Members[i].Pending {
			continue
		}
		if err := s.grant(ctx, &mounts.Workspaces[i]); err != nil {
			return none, err
		}
	}
	return res, nil
}

// grant tells the storage who reaches the container of a workspace.
func (s *Service) grant(ctx context.Context, w *Workspace) error {
	if err := s.provisioned(ctx, w); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// A caller that goes away must not keep the second look from being taken.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyTimeout)
	defer cancel()
	const tries = 100 // more than anybody comes or goes meanwhile
	var told []Grant
	for i := range tries {
		grants, err := s.grants(ctx, w.ID)
		if err != nil {
			return err
		}
		// Read once more afterwards: who tells the storage last must have told it what is so.
		if i > 0 && slices.Equal(grants, told) {
			return nil
		}
		if _, err := s.accounts.SetAccess(ctx, SetAccessParams{Container: w.Container, Grants: grants}); err != nil {
			return fmt.Errorf("set access to workspace %v: %w", w.ID, err)
		}
		told = grants
	}
	return fmt.Errorf("set access to workspace %v: members keep changing: %w", w.ID, ErrBusy)
}

// grants are those of the members of a workspace.
func (s *Service) grants(ctx context.Context, id WorkspaceID) (grants []Grant, err error) {
	err = s.store.View(ctx, func(ctx context.Context, r Reader) error {
		res, err := r.Members(ctx, MembersParams{Workspaces: []WorkspaceID{id}})
		grants = nil
		for i := range res.Members {
			m := &res.Members[i]
			switch {
			case m.Pending:
			case m.Role == Viewer:
				grants = append(grants, Grant{Account: accountOf(m.User), Permission: Read})
			default:
				grants = append(grants, Grant{Account: accountOf(m.User), Permission: ReadWrite})
			}
		}
		return err
	})
	return grants, err
}

// keyAccount gives the account of the actor the secret that belongs to the devices the user has. It looks at the devices again after
// that: if one was revoked meanwhile, the secret that it knows may have been set last.
func (s *Service) keyAccount(ctx context.Context, actor Actor, ifExists bool) (StorageAccountResult, error) {
	const tries = 100 // more than anybody revokes meanwhile
	if err := ctx.Err(); err != nil {
		return StorageAccountResult{}, err
	}
	// A caller that goes away must not keep the second look from being taken.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyTimeout)
	defer cancel()
	var res StorageAccountResult
	var set []byte // what the secret was made of
	for range tries {
		var revoked []byte
		err := s.store.View(ctx, func(ctx context.Context, rd Reader) error {
			_, devices, err := devicesOf(ctx, rd, actor)
			revoked = revokedOf(devices)
			return err
		})
		if set != nil && errors.Is(err, ErrUserNotFound) { // deleted meanwhile: the account was made after it had gone
			_, gone := s.accounts.DeleteAccount(ctx, DeleteAccountParams{Account: accountOf(actor.User)})
			err = errors.Join(err, gone)
		}
		if err != nil {
			return StorageAccountResult{}, err
		}
		if set != nil && slices.Equal(set, revoked) {
			return res, nil
		}
		set, res.Secret = revoked, s.accountSecret(actor.User, revoked)
		put, err := s.accounts.PutAccount(ctx, PutAccountParams{Account: accountOf(actor.User), Secret: res.Secret, IfExists: ifExists})
		if err != nil {
			return StorageAccountResult{}, fmt.Errorf("put storage account: %w", err)
		}
		res.Login = put.Login
	}
	return StorageAccountResult{}, fmt.Errorf("put storage account: devices are being revoked: %w", ErrBusy)
}

// newKey records that a user's storage account is to get the secret that belongs to the devices the user has, where accounts are offered.
func (w *write) newKey(user UserID) (*Operation, error) {
	if w.service.accounts == nil {
		return nil, nil
	}
	op, err := w.record(OperationKey, user, WorkspaceID{}, WorkspaceID{}, operationData{})
	return &op, err
}

// newKey gives the account its secret, if there is one.
func (t *task) newKey(ctx context.Context) error {
	if t.service.accounts == nil {
		return nil
	}
	_, err := t.service.keyAccount(ctx, Actor{User: t.User}, true)
	if errors.Is(err, ErrUserNotFound) { // deleted meanwhile, with the account
		return nil
	}
	return err
}

// accountOf names a user's account at the storage: what every storage takes, and the same always.
func accountOf(u UserID) string {
	sum := sha256.Sum256([]byte(u))
	return "u-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:20]))
}

// accountSecret derives the secret of a user's account, so that none is ever saved. It is another one after a device was revoked, since
// that knows the former one.
func (s *Service) accountSecret(u UserID, revoked []byte) Secret {
	mac := hmac.New(sha256.New, s.cfg.AccountKey)
	mac.Write(fmt.Appendf(nil, "stacksync storage account 1\x00%d\x00%s\x00", len(u), u))
	mac.Write(revoked)
	return Secret(base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// revokedOf returns what tells one set of revoked devices from another. It is never nil.
func revokedOf(devices []Device) []byte {
	ids := []string{}
	for i := range devices {
		if devices[i].Revoked {
			ids = append(ids, string(devices[i].ID.UUID[:]))
		}
	}
	slices.Sort(ids)
	return []byte(strings.Join(ids, ""))
}
