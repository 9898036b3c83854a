package stacksync

import (
	"cmp"
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
	// Unlisted are workspaces of which the storage does not let the account in, since it can't list so many, or refuses to: the client
	// reaches their chunks in another way.
	Unlisted []WorkspaceID `json:"unlisted,omitempty"`
}

const (
	// keyTimeout bounds what the storage takes to change a secret, or who reaches a container.
	keyTimeout = time.Minute
	// maxAccountOperations bounds how many operations make the account of one user, and how many give it a secret for revocations that are
	// said again: a storage that is down lets them wait.
	maxAccountOperations = 8
)

// minAccountKey is the least length of Config.AccountKey in bytes: that of the hash.
const minAccountKey = sha256.Size

// StorageAccount implements Transfers.
func (s *Service) StorageAccount(ctx context.Context, r StorageAccountRequest) (StorageAccountResult, error) {
	return call(ctx, s, "StorageAccount", func(ctx context.Context) (StorageAccountResult, int, error) {
		res, err := s.storageAccount(ctx, r.Actor)
		return res, 1, err
	})
}

// storageAccount has an operation make the account: what is begun is brought to its end by somebody, or a secret that a revoked device knows
// might be the last to be set, and a list with somebody who has gone.
func (s *Service) storageAccount(ctx context.Context, actor Actor) (StorageAccountResult, error) {
	none := StorageAccountResult{}
	if _, err := s.choose(ViaAccount); err != nil {
		return none, err
	}
	if err := actor.check(needs{device: true}); err != nil {
		return none, err
	}
	op, err := s.recordAccount(ctx, actor)
	if err != nil {
		return none, err
	}
	t := s.start(op)
	if err := t.await(ctx); err != nil {
		return none, err
	}
	res := StorageAccountResult{Login: t.login, Unlisted: t.unlisted}
	err = s.store.View(ctx, func(ctx context.Context, rd Reader) error {
		user, devices, err := devicesOf(ctx, rd, actor)
		res.Secret = s.accountSecret(actor.User, secretOf(&user, devices))
		return err
	})
	if err == nil && t.login == "" { // another process has done it
		err = fmt.Errorf("storage account: %w", ErrBusy)
	}
	if err != nil {
		return none, err
	}
	return res, nil
}

// recordAccount records the operation that makes an actor's account. It takes the place of those that have stopped.
func (s *Service) recordAccount(ctx context.Context, actor Actor) (op Operation, err error) {
	var stopped []OperationID
	err = s.store.View(ctx, func(ctx context.Context, rd Reader) error {
		if _, _, err := devicesOf(ctx, rd, actor); err != nil {
			return err
		}
		stopped, err = operationsOf(ctx, rd, actor.User, OperationAccount, OperationStopped)
		return err
	})
	if err != nil {
		return op, err
	}
	err = s.write(ctx, LockParams{Users: []UserID{actor.User}, Operations: stopped}, func(ctx context.Context, w *write) error {
		user, _, err := devicesOf(ctx, w, actor)
		if err != nil {
			return err
		}
		running, err := operationsOf(ctx, w, actor.User, OperationAccount, OperationRunning)
		if err != nil {
			return err
		}
		if len(running) >= maxAccountOperations {
			return fmt.Errorf("%w: %d operations make the account", ErrBusy, len(running))
		}
		still, err := operationsOf(ctx, w, actor.User, OperationAccount, OperationStopped)
		if err != nil {
			return err
		}
		replaced := slices.DeleteFunc(still, func(id OperationID) bool { return !slices.Contains(stopped, id) })
		if _, err := w.Remove(ctx, RemoveParams{Operations: replaced}); err != nil {
			return err
		}
		op, err = w.record(OperationAccount, user.ID, WorkspaceID{}, WorkspaceID{}, operationData{Home: user.DefaultWorkspace})
		return err
	})
	return op, err
}

func operationsOf(ctx context.Context, r JournalReader, user UserID, kind OperationKind, state OperationState) ([]OperationID, error) {
	res, err := r.Operations(ctx, OperationsParams{Users: []UserID{user}, State: state, Limit: maxOperations})
	var ids []OperationID
	for i := range res.Operations {
		if res.Operations[i].Kind == kind {
			ids = append(ids, res.Operations[i].ID)
		}
	}
	return ids, err
}

// listAccount lets the account reach the containers of all workspaces its user is a member of. One that the storage won't have on a list
// keeps it off no other.
func (t *task) listAccount(ctx context.Context) error {
	if t.service.accounts == nil {
		return nil
	}
	var mounts MembershipsResult
	err := t.service.store.View(ctx, func(ctx context.Context, rd Reader) (err error) {
		mounts, err = rd.Memberships(ctx, MembershipsParams{User: t.User})
		return err
	})
	if err != nil {
		return err
	}
	t.unlisted = nil
	var again error
	for i := range mounts.Workspaces {
		ws := &mounts.Workspaces[i]
		if mounts.Members[i].Pending {
			continue
		}
		omitted, err := t.service.grant(ctx, ws)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && !final(err):
			again = err
		case err != nil:
			t.service.log.Error("the storage refuses to let an account reach a workspace", "user", t.User, "workspace", ws.ID, "error", err)
			t.unlisted = append(t.unlisted, ws.ID)
		case slices.Contains(omitted, accountOf(t.User)):
			t.unlisted = append(t.unlisted, ws.ID)
		}
	}
	return again
}

// storageKnows records that the storage has to be told who reaches the container, where accounts are offered. It returns no operation
// otherwise.
func (w *write) storageKnows(ws *Workspace) (*Operation, error) {
	if w.service.accounts == nil {
		return nil, nil
	}
	op, err := w.record(OperationAccess, w.owner(ws), ws.ID, WorkspaceID{}, operationData{})
	return &op, err
}

// maxAccessOperations bounds how many operations tell the storage who reaches a container: one that is down lets them wait.
const maxAccessOperations = 100

// storageHears is storageKnows for what may be asked again and again. Who is taken out always is.
func (w *write) storageHears(ctx context.Context, ws *Workspace) (*Operation, error) {
	if w.service.accounts == nil {
		return nil, nil
	}
	running, err := w.Operations(ctx, OperationsParams{Workspaces: []WorkspaceID{ws.ID}, State: OperationRunning, Limit: maxAccessOperations})
	if err != nil {
		return nil, err
	}
	if n := len(running.Operations); n == maxAccessOperations {
		return nil, fmt.Errorf("%w: %d operations wait for the storage", ErrBusy, n)
	}
	return w.storageKnows(ws)
}

// grant tells the storage who reaches the container of a workspace. It returns the accounts of members that the storage can't list.
// Only operations call it: when it fails the storage may still do what it was told, and has to be told again.
func (s *Service) grant(ctx context.Context, w *Workspace) (omitted []string, err error) {
	if err := s.provisioned(ctx, w); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	const tries = 100 // more than anybody comes or goes meanwhile
	var told []Grant
	for i := range tries {
		grants, err := s.grants(ctx, w.ID)
		if err != nil {
			return nil, err
		}
		// Read once more afterwards: who tells the storage last must have told it what is so.
		if i > 0 && slices.Equal(grants, told) {
			if len(omitted) > 0 {
				s.log.Warn("the storage can't list all members of a workspace: some reach its chunks only in other ways",
					"workspace", w.ID, "members", len(grants), "omitted", len(omitted))
			}
			return omitted, nil
		}
		res, err := s.accounts.SetAccess(ctx, SetAccessParams{Container: w.Container, Grants: grants})
		if err != nil {
			return nil, fmt.Errorf("set access to workspace %v: %w", w.ID, err)
		}
		told, omitted = grants, res.Omitted
	}
	return nil, fmt.Errorf("set access to workspace %v: members keep changing: %w", w.ID, ErrBusy)
}

// grants are those of the members of a workspace: the owner first, and then who has been in it longest.
func (s *Service) grants(ctx context.Context, id WorkspaceID) (grants []Grant, err error) {
	err = s.store.View(ctx, func(ctx context.Context, r Reader) error {
		res, err := r.Members(ctx, MembersParams{Workspaces: []WorkspaceID{id}})
		grants = nil
		since := func(m *Member) time.Time {
			if m.Role == Owner {
				return time.Time{}
			}
			return m.JoinedAt
		}
		members := slices.SortedFunc(slices.Values(res.Members), func(a, b Member) int {
			return cmp.Or(since(&a).Compare(since(&b)), cmp.Compare(a.User, b.User))
		})
		for i := range members {
			m := &members[i]
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

// keyAccount gives the account of a user the secret that belongs to the devices the user has, and returns its login. It looks at the
// devices again after that: if one was revoked meanwhile, the secret that it knows may have been set last. Only operations call it, as grant.
func (s *Service) keyAccount(ctx context.Context, user UserID, ifExists bool) (login string, err error) {
	const tries = 100 // more than anybody revokes meanwhile
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	var set []byte // what the secret was made of
	for range tries {
		var now []byte
		err := s.store.View(ctx, func(ctx context.Context, rd Reader) error {
			u, devices, err := devicesOf(ctx, rd, Actor{User: user})
			now = secretOf(&u, devices)
			return err
		})
		if errors.Is(err, ErrUserNotFound) { // deleted meanwhile: the account may have been made after it had gone, by an earlier try too
			if _, gone := s.accounts.DeleteAccount(ctx, DeleteAccountParams{Account: accountOf(user)}); gone != nil {
				return "", fmt.Errorf("delete storage account: %w", gone)
			}
		}
		if err != nil {
			return "", err
		}
		if set != nil && slices.Equal(set, now) {
			return login, nil
		}
		set = now
		put, err := s.accounts.PutAccount(ctx, PutAccountParams{Account: accountOf(user), Secret: s.accountSecret(user, now), IfExists: ifExists})
		if err != nil {
			return "", fmt.Errorf("put storage account: %w", err)
		}
		login = put.Login
	}
	return "", fmt.Errorf("put storage account: devices are being revoked: %w", ErrBusy)
}

// newKey records that a user's storage account is to get the secret that belongs to the devices the user has, where accounts are offered.
// again says that it was recorded before.
func (w *write) newKey(ctx context.Context, user *User, again bool) (*Operation, error) {
	if w.service.accounts == nil {
		return nil, nil
	}
	if again {
		running, err := operationsOf(ctx, w, user.ID, OperationKey, OperationRunning)
		if err != nil {
			return nil, err
		}
		if len(running) >= maxAccountOperations {
			return nil, fmt.Errorf("%w: %d operations give the account a secret", ErrBusy, len(running))
		}
	}
	op, err := w.record(OperationKey, user.ID, WorkspaceID{}, WorkspaceID{}, operationData{Home: user.DefaultWorkspace})
	return &op, err
}

// newKey gives the account its secret. A revocation makes no account for who has none.
func (t *task) newKey(ctx context.Context) (err error) {
	if t.service.accounts == nil {
		return nil
	}
	t.login, err = t.service.keyAccount(ctx, t.User, t.Kind == OperationKey)
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
func (s *Service) accountSecret(u UserID, of []byte) Secret {
	mac := hmac.New(sha256.New, s.cfg.AccountKey)
	mac.Write(fmt.Appendf(nil, "stacksync storage account 1\x00%d\x00%s\x00", len(u), u))
	mac.Write(of)
	return Secret(base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// secretOf returns what a user's secret is made of, beside the id: the default workspace, as who has the id of a deleted user is another
// one, and the devices that were revoked. It is never nil.
func secretOf(u *User, devices []Device) []byte {
	ids := []string{}
	for i := range devices {
		if devices[i].Revoked {
			ids = append(ids, string(devices[i].ID.UUID[:]))
		}
	}
	slices.Sort(ids)
	return []byte(string(u.DefaultWorkspace.UUID[:]) + strings.Join(ids, ""))
}
