package swift

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// PutAccount implements stacksync.AccountProvisioner. Whether the secret is the same is found out by logging in with it, since a change ends
// all sessions of a user, also one to the same secret. See Accounts for how soon a former secret stops working.
//
// It fails where Swift lets the account look at the Storage's own: see Accounts.Role. Each new account is tried, and the first of a
// process that was there before; a new one is deleted again, and the other loses the role.
func (a *accounts) PutAccount(ctx context.Context, p stacksync.PutAccountParams) (stacksync.PutAccountResult, error) {
	err := check.PutAccount(ctx, p)
	if err == nil {
		err = a.putAccount(ctx, p)
	}
	if err != nil {
		return stacksync.PutAccountResult{}, fmt.Errorf("put account %.63q: %w", p.Account, err)
	}
	return stacksync.PutAccountResult{Login: a.cfg.Prefix + p.Account}, nil
}

func (a *accounts) putAccount(ctx context.Context, p stacksync.PutAccountParams) error {
	name := a.cfg.Prefix + p.Account
	a.ids.forget(name)
	const rounds = 3 // somebody else may make or delete the user meanwhile
	for round := 1; ; round++ {
		id, ok, err := a.find(ctx, name)
		if err != nil {
			return err
		}
		if !ok && p.IfExists {
			return nil
		}
		if !ok {
			if id, err = a.make(ctx, name, p.Secret); err == nil {
				err = a.probeNew(ctx, name, id, p.Secret)
			}
		} else if err = a.change(ctx, id, p.Secret); err == nil {
			err = a.probeOnce(ctx, id, p.Secret)
		}
		if err == nil {
			a.ids.put(name, id)
			return nil
		}
		a.ids.forget(name)
		if !isStatus(err, http.StatusConflict, http.StatusNotFound) && !errors.Is(err, errOtherSecret) || round == rounds {
			return err
		}
	}
}

// find looks for a user.
func (a *accounts) find(ctx context.Context, name string) (id string, ok bool, err error) {
	if id, ok := a.ids.get(name); ok {
		return id, true, nil
	}
	err = a.identity(ctx, func(ctx context.Context, client *gophercloud.ServiceClient) error {
		page, err := users.List(client, users.ListOpts{Name: name, DomainID: a.domain}).AllPages(ctx)
		if err != nil {
			return err
		}
		list, err := users.ExtractUsers(page)
		if len(list) > 0 {
			id, ok = list[0].ID, true
		}
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("find the user: %w", err)
	}
	if ok {
		a.ids.put(name, id)
	}
	return id, ok, nil
}

func (a *accounts) make(ctx context.Context, name string, secret stacksync.Secret) (id string, err error) {
	err = a.identity(ctx, func(ctx context.Context, client *gophercloud.ServiceClient) error {
		u, err := users.Create(ctx, client, users.CreateOpts{
			Name: name, DomainID: a.domain, DefaultProjectID: a.project, Password: string(secret), Description: "account of the sync service",
		}).Extract()
		if err == nil {
			id = u.ID
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("make the user: %w", err)
	}
	return id, a.assign(ctx, id)
}

// assign gives a user the role; one that has it is given it again.
func (a *accounts) assign(ctx context.Context, id string) error {
	err := a.identity(ctx, func(ctx context.Context, client *gophercloud.ServiceClient) error {
		return roles.Assign(ctx, client, a.role, roles.AssignOpts{UserID: id, ProjectID: a.project}).ExtractErr()
	})
	if err != nil {
		return fmt.Errorf("give the user its role: %w", err)
	}
	return nil
}

func (a *accounts) change(ctx context.Context, id string, secret stacksync.Secret) error {
	if err := a.assign(ctx, id); err != nil { // whoever made the user may not have come this far
		return err
	}
	if _, err := a.logIn(ctx, id, secret); !errors.Is(err, errOtherSecret) {
		return err
	}
	err := a.identity(ctx, func(ctx context.Context, client *gophercloud.ServiceClient) error {
		enabled := true
		return users.Update(ctx, client, id, users.UpdateOpts{Password: string(secret), Enabled: &enabled}).Err
	})
	if err != nil {
		return fmt.Errorf("change the user's password: %w", err)
	}
	// Keystone ends sessions by the second: one that begins in the second of the change would end with the former ones.
	return sleep(ctx, time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
}

// logIn returns a token of a user's own. Where the user has another secret, it is errOtherSecret.
func (a *accounts) logIn(ctx context.Context, id string, secret stacksync.Secret) (token string, err error) {
	err = a.s.retry(ctx, nil, func(ctx context.Context, _ string) error {
		made := tokens.Create(ctx, a.client(""), &tokens.AuthOptions{
			UserID: id, Password: string(secret), Scope: tokens.Scope{ProjectID: a.project},
		})
		if token, err = made.ExtractTokenID(); err == nil {
			return nil
		}
		err = clean(ctx, err)
		if isStatus(err, http.StatusUnauthorized) { // it is not our own token that is refused
			return errOtherSecret
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("try the user's secret: %w", err)
	}
	return token, nil
}

var errOtherSecret = errors.New("the user has another secret")

// DeleteAccount implements stacksync.AccountProvisioner. The user's id stays in the lists of access it is in; Keystone never uses it again.
func (a *accounts) DeleteAccount(ctx context.Context, p stacksync.DeleteAccountParams) (stacksync.DeleteAccountResult, error) {
	err := check.DeleteAccount(ctx, p)
	if err == nil {
		err = a.deleteAccount(ctx, a.cfg.Prefix+p.Account)
	}
	if err != nil {
		return stacksync.DeleteAccountResult{}, fmt.Errorf("delete account %.63q: %w", p.Account, err)
	}
	return stacksync.DeleteAccountResult{}, nil
}

func (a *accounts) deleteAccount(ctx context.Context, name string) error {
	a.ids.forget(name)
	id, ok, err := a.find(ctx, name)
	if !ok || err != nil {
		return err
	}
	a.ids.forget(name)
	err = a.identity(ctx, func(ctx context.Context, client *gophercloud.ServiceClient) error {
		return users.Delete(ctx, client, id).ExtractErr()
	})
	if isStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}
