package service

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

	"github.com/stacksync/stacksync-go"
)

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
func (s *Service) StorageAccount(ctx context.Context, r stacksync.StorageAccountRequest) (stacksync.StorageAccountResult, error) {
	return call(ctx, s, "StorageAccount", func(ctx context.Context) (stacksync.StorageAccountResult, int, error) {
		res, err := s.storageAccount(ctx, r.Actor)
		return res, 1, err
	})
}

// storageAccount has an operation make the account: what is begun is brought to its end by somebody, or a secret that a revoked device knows
// might be the last to be set, and a list with somebody who has gone.
func (s *Service) storageAccount(ctx context.Context, actor stacksync.Actor) (stacksync.StorageAccountResult, error) {
	none := stacksync.StorageAccountResult{}
	if _, err := s.choose(stacksync.ViaAccount); err != nil {
		return none, err
	}
	if err := stacksync.CheckActor(actor, stacksync.Needs{Device: true}); err != nil {
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
	res := stacksync.StorageAccountResult{Login: t.login, Unlisted: t.unlisted}
	err = s.store.View(ctx, func(ctx context.Context, rd stacksync.Reader) error {
		user, devices, err := devicesOf(ctx, rd, actor)
		res.Secret = s.accountSecret(actor.User, secretOf(&user, devices))
		return err
	})
	if err == nil && t.login == "" { // another process has done it
		err = fmt.Errorf("storage account: %w", stacksync.ErrBusy)
	}
	if err != nil {
		return none, err
	}
	return res, nil
}

// recordAccount records the operation that makes an actor's account. It takes the place of those that have stopped.
func (s *Service) recordAccount(ctx context.Context, actor stacksync.Actor) (op stacksync.Operation, err error) {
	var stopped []stacksync.OperationID
	err = s.store.View(ctx, func(ctx context.Context, rd stacksync.Reader) error {
		if _, _, err := devicesOf(ctx, rd, actor); err != nil {
			return err
		}
		stopped, err = operationsOf(ctx, rd, actor.User, stacksync.OperationAccount, stacksync.OperationStopped)
		return err
	})
	if err != nil {
		return op, err
	}
	err = s.write(ctx, stacksync.LockParams{Users: []stacksync.UserID{actor.User}, Operations: stopped}, func(ctx context.Context, w *write) error {
		user, _, err := devicesOf(ctx, w, actor)
		if err != nil {
			return err
		}
		running, err := operationsOf(ctx, w, actor.User, stacksync.OperationAccount, stacksync.OperationRunning)
		if err != nil {
			return err
		}
		if len(running) >= maxAccountOperations {
			return fmt.Errorf("%w: %d operations make the account", stacksync.ErrBusy, len(running))
		}
		still, err := operationsOf(ctx, w, actor.User, stacksync.OperationAccount, stacksync.OperationStopped)
		if err != nil {
			return err
		}
		replaced := slices.DeleteFunc(still, func(id stacksync.OperationID) bool { return !slices.Contains(stopped, id) })
		if _, err := w.Remove(ctx, stacksync.RemoveParams{Operations: replaced}); err != nil {
			return err
		}
		op, err = w.record(stacksync.OperationAccount, user.ID, stacksync.WorkspaceID{}, stacksync.WorkspaceID{}, operationData{Home: user.DefaultWorkspace})
		return err
	})
	return op, err
}

func operationsOf(ctx context.Context, r stacksync.JournalReader, user stacksync.UserID, kind stacksync.OperationKind, state stacksync.OperationState) ([]stacksync.OperationID, error) {
	res, err := r.Operations(ctx, stacksync.OperationsParams{Users: []stacksync.UserID{user}, State: state, Limit: maxOperations})
	var ids []stacksync.OperationID
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
	var mounts stacksync.MembershipsResult
	err := t.service.store.View(ctx, func(ctx context.Context, rd stacksync.Reader) (err error) {
		mounts, err = rd.Memberships(ctx, stacksync.MembershipsParams{User: t.User})
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
func (w *write) storageKnows(ws *stacksync.Workspace) (*stacksync.Operation, error) {
	if w.service.accounts == nil {
		return nil, nil
	}
	op, err := w.record(stacksync.OperationAccess, w.owner(ws), ws.ID, stacksync.WorkspaceID{}, operationData{})
	return &op, err
}

// maxAccessOperations bounds how many operations tell the storage who reaches a container: one that is down lets them wait.
const maxAccessOperations = 100

// storageHears is storageKnows for what may be asked again and again. Who is taken out always is.
func (w *write) storageHears(ctx context.Context, ws *stacksync.Workspace) (*stacksync.Operation, error) {
	if w.service.accounts == nil {
		return nil, nil
	}
	running, err := w.Operations(ctx, stacksync.OperationsParams{Workspaces: []stacksync.WorkspaceID{ws.ID}, State: stacksync.OperationRunning, Limit: maxAccessOperations})
	if err != nil {
		return nil, err
	}
	if n := len(running.Operations); n == maxAccessOperations {
		return nil, fmt.Errorf("%w: %d operations wait for the storage", stacksync.ErrBusy, n)
	}
	return w.storageKnows(ws)
}

// grant tells the storage who reaches the container of a workspace. It returns the accounts of members that the storage can't list.
// Only operations call it: when it fails the storage may still do what it was told, and has to be told again.
func (s *Service) grant(ctx context.Context, w *stacksync.Workspace) (omitted []string, err error) {
	if err := s.provisioned(ctx, w); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	const tries = 100 // more than anybody comes or goes meanwhile
	var told []stacksync.Grant
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
		res, err := s.accounts.SetAccess(ctx, stacksync.SetAccessParams{Container: w.Container, Grants: grants})
		if err != nil {
			return nil, fmt.Errorf("set access to workspace %v: %w", w.ID, err)
		}
		told, omitted = grants, res.Omitted
	}
	return nil, fmt.Errorf("set access to workspace %v: members keep changing: %w", w.ID, stacksync.ErrBusy)
}

// grants are those of the members of a workspace: the owner first, and then who has been in it longest.
func (s *Service) grants(ctx context.Context, id stacksync.WorkspaceID) (grants []stacksync.Grant, err error) {
	err = s.store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		res, err := r.Members(ctx, stacksync.MembersParams{Workspaces: []stacksync.WorkspaceID{id}})
		grants = nil
		since := func(m *stacksync.Member) time.Time {
			if m.Role == stacksync.Owner {
				return time.Time{}
			}
			return m.JoinedAt
		}
		members := slices.SortedFunc(slices.Values(res.Members), func(a, b stacksync.Member) int {
			return cmp.Or(since(&a).Compare(since(&b)), cmp.Compare(a.User, b.User))
		})
		for i := range members {
			m := &members[i]
			switch {
			case m.Pending:
			case m.Role == stacksync.Viewer:
				grants = append(grants, stacksync.Grant{Account: accountOf(m.User), Permission: stacksync.Read})
			default:
				grants = append(grants, stacksync.Grant{Account: accountOf(m.User), Permission: stacksync.ReadWrite})
			}
		}
		return err
	})
	return grants, err
}

// keyAccount gives the account of a user the secret that belongs to the devices the user has, and returns its login. It looks at the
// devices again after that: if one was revoked meanwhile, the secret that it knows may have been set last. Only operations call it, as grant.
func (s *Service) keyAccount(ctx context.Context, user stacksync.UserID, ifExists bool) (login string, err error) {
	const tries = 100 // more than anybody revokes meanwhile
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	var set []byte // what the secret was made of
	for range tries {
		var now []byte
		err := s.store.View(ctx, func(ctx context.Context, rd stacksync.Reader) error {
			u, devices, err := devicesOf(ctx, rd, stacksync.Actor{User: user})
			now = secretOf(&u, devices)
			return err
		})
		if errors.Is(err, stacksync.ErrUserNotFound) { // deleted meanwhile: the account may have been made after it had gone, by an earlier try too
			if _, gone := s.accounts.DeleteAccount(ctx, stacksync.DeleteAccountParams{Account: accountOf(user)}); gone != nil {
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
		put, err := s.accounts.PutAccount(ctx, stacksync.PutAccountParams{Account: accountOf(user), Secret: s.accountSecret(user, now), IfExists: ifExists})
		if err != nil {
			return "", fmt.Errorf("put storage account: %w", err)
		}
		login = put.Login
	}
	return "", fmt.Errorf("put storage account: devices are being revoked: %w", stacksync.ErrBusy)
}

// newKey records that a user's storage account is to get the secret that belongs to the devices the user has, where accounts are offered.
// again says that it was recorded before.
func (w *write) newKey(ctx context.Context, user *stacksync.User, again bool) (*stacksync.Operation, error) {
	if w.service.accounts == nil {
		return nil, nil
	}
	if again {
		running, err := operationsOf(ctx, w, user.ID, stacksync.OperationKey, stacksync.OperationRunning)
		if err != nil {
			return nil, err
		}
		if len(running) >= maxAccountOperations {
			return nil, fmt.Errorf("%w: %d operations give the account a secret", stacksync.ErrBusy, len(running))
		}
	}
	op, err := w.record(stacksync.OperationKey, user.ID, stacksync.WorkspaceID{}, stacksync.WorkspaceID{}, operationData{Home: user.DefaultWorkspace})
	return &op, err
}

// newKey gives the account its secret. A revocation makes no account for who has none.
func (t *task) newKey(ctx context.Context) (err error) {
	if t.service.accounts == nil {
		return nil
	}
	t.login, err = t.service.keyAccount(ctx, t.User, t.Kind == stacksync.OperationKey)
	if errors.Is(err, stacksync.ErrUserNotFound) { // deleted meanwhile, with the account
		return nil
	}
	return err
}

// accountOf names a user's account at the storage: what every storage takes, and the same always.
func accountOf(u stacksync.UserID) string {
	sum := sha256.Sum256([]byte(u))
	return "u-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:20]))
}

// accountSecret derives the secret of a user's account, so that none is ever saved. It is another one after a device was revoked, since
// that knows the former one.
func (s *Service) accountSecret(u stacksync.UserID, of []byte) stacksync.Secret {
	mac := hmac.New(sha256.New, s.cfg.AccountKey)
	mac.Write(fmt.Appendf(nil, "stacksync storage account 1\x00%d\x00%s\x00", len(u), u))
	mac.Write(of)
	return stacksync.Secret(base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// secretOf returns what a user's secret is made of, beside the id: the default workspace, as who has the id of a deleted user is another
// one, and the devices that were revoked. It is never nil.
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
