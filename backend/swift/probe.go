package swift

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"github.com/stacksync/stacksync-go"
)

// undoBound is how long taking back what an account must not have may take, after the caller has given up.
const undoBound = 10 * time.Second

var errOperator = errors.New("an account may do what the service may")

// probeNew looks at what the user can reach who was made just now, and deletes it where that is too much, or can't be told.
func (a *accounts) probeNew(ctx context.Context, name, id string, secret stacksync.Secret) error {
	err := a.probe(ctx, id, secret)
	if err == nil || errors.Is(err, errOtherSecret) {
		return err
	}
	a.ids.forget(name)
	return a.undo(ctx, err, func(ctx context.Context, client *gophercloud.ServiceClient) error {
		return users.Delete(ctx, client, id).ExtractErr()
	})
}

// probeOnce looks at what a user can reach who was there before, unless this process has looked at one. It takes the role away again
// where that is too much.
func (a *accounts) probeOnce(ctx context.Context, id string, secret stacksync.Secret) error {
	if a.probed.Load() {
		return nil
	}
	err := a.probe(ctx, id, secret)
	if !errors.Is(err, errOperator) {
		return err
	}
	return a.undo(ctx, err, func(ctx context.Context, client *gophercloud.ServiceClient) error {
		return roles.Unassign(ctx, client, a.role, roles.UnassignOpts{UserID: id, ProjectID: a.project}).ExtractErr()
	})
}

// undo makes a call to Keystone, also where ctx has ended, and adds to err what it fails with.
func (a *accounts) undo(ctx context.Context, err error, call func(ctx context.Context, client *gophercloud.ServiceClient) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoBound)
	defer cancel()
	if failed := a.identity(ctx, call); failed != nil && !isStatus(failed, http.StatusNotFound) {
		return errors.Join(err, fmt.Errorf("take it back: %w", failed))
	}
	return err
}

// probe returns nil if Swift forbids the user to look at the Storage's account. Whoever may do that by the role has all containers, and
// changes who else has.
func (a *accounts) probe(ctx context.Context, id string, secret stacksync.Secret) error {
	token, err := a.logIn(ctx, id, secret)
	if err != nil {
		return err
	}
	status := http.StatusOK
	err = a.s.retry(ctx, nil, func(ctx context.Context, _ string) error {
		_, err := a.s.send(ctx, token, request{method: http.MethodGet, query: "limit=1", ok: []int{http.StatusOK, http.StatusNoContent}})
		if isStatus(err, http.StatusForbidden, http.StatusUnauthorized) { // it is not our own token that is refused
			status, err = statusOf(err), nil
		}
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("try what the user may do: %w", err)
	case status == http.StatusUnauthorized:
		return errors.New("try what the user may do: Swift does not take the user's token")
	case status != http.StatusForbidden:
		return fmt.Errorf("%w: Keystone's role %q in project %q is one that Swift gives rights to (operator_roles); name another one in Accounts",
			errOperator, a.cfg.Role, a.cfg.Project)
	}
	a.probed.Store(true)
	return nil
}
