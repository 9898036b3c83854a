package swift

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"

	"github.com/stacksync/stacksync-go"
)

// Accounts configures Keystone users for the service's users. The Storage's own user must be allowed to manage users, say as an
// administrator of their domain.
//
// An account is a Keystone user with Role in Project; the container's access lists (X-Container-Read, X-Container-Write) name its id.
// Who may write may also replace and delete objects: Swift has no finer right. A role that Swift gives rights to (one of its operator_roles,
// which on many clusters has "member") would make each account the master of all containers: PutAccount tries that, and fails.
//
// Access changes at once when SetAccess returns, but a proxy without a shared memcached may go by the former list for a minute
// (recheck_container_existence). A former secret, and tokens got with it, are refused by Keystone at once, by Swift when it asks Keystone again:
// after token_cache_time of its authtoken middleware, 5 minutes by default.
//
// A container's list holds about 120 accounts in a cluster with Swift's default max_header_size of 8192; further ones are omitted.
//
// Locate tells clients the protocol "swift" with the settings auth_url (Keystone's version 3), region, user_domain, project and
// project_domain to log in with, storage_url (of the account in Swift that has the containers, without a slash at its end; it need not be
// their project's own), and container.
type Accounts struct {
	// Prefix starts the users' names in Keystone: at most 64 characters of a-z, A-Z, 0-9, "-", "_" and ".". Defaults to none.
	Prefix string
	// Domain is the name of the users' domain. Defaults to that of the Storage's project.
	Domain string
	// Project is the name of the project that users log in to, and ProjectDomain of its domain, which defaults to Domain. It should be one
	// for nothing else: whatever Role gives rights to in it, the Storage's containers are not there.
	Project, ProjectDomain string
	// Role is the name of the role that users have in Project: one that Swift gives no rights to, best one made for this.
	Role string
}

func (a *Accounts) check() error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	if len(a.Prefix) > 64 || strings.Trim(a.Prefix, letters) != "" {
		return &stacksync.FieldError{Field: "Accounts.Prefix", Reason: `is not at most 64 characters of a-z, A-Z, 0-9, "-", "_" and "."`}
	}
	for field, value := range map[string]string{"Accounts.Project": a.Project, "Accounts.Role": a.Role} {
		if value == "" {
			return &stacksync.FieldError{Field: field, Reason: "is empty"}
		}
	}
	return nil
}

// accounts is the Storage's stacksync.AccountProvisioner.
type accounts struct {
	stacksync.StorageProvisioner // the Storage
	s                            *Storage
	cfg                          Accounts
	authURL                      string // with a slash at its end
	domain, project, role        string // ids
	ids                          ids
	probed                       atomic.Bool // whether this process has seen that accounts reach nothing by their role
}

// newAccounts finds the ids of what is configured by name.
func (s *Storage) newAccounts(ctx context.Context, c Accounts) (*accounts, error) {
	own := s.session.project()
	if own == nil && c.Domain == "" {
		return nil, &stacksync.FieldError{Field: "Accounts.Domain", Reason: "is empty, and Keystone does not tell the Storage's own"}
	}
	if own != nil {
		set(&c.Domain, own.Domain.Name)
	}
	set(&c.ProjectDomain, c.Domain)
	a := &accounts{StorageProvisioner: s, s: s, cfg: c, authURL: authURL(s.session.provider)}
	a.ids.known = map[string]knownID{}
	var err error
	domainIDs := map[string]string{}
	for _, name := range []string{c.Domain, c.ProjectDomain} {
		if own != nil && name == own.Domain.Name {
			domainIDs[name] = own.Domain.ID
			continue
		}
		if domainIDs[name], err = a.domainID(ctx, name); err != nil {
			return nil, err
		}
	}
	a.domain = domainIDs[c.Domain]
	if own != nil && c.Project == own.Name && c.ProjectDomain == own.Domain.Name {
		a.project = own.ID
	} else if a.project, err = a.projectID(ctx, c.Project, domainIDs[c.ProjectDomain]); err != nil {
		return nil, err
	}
	a.role, err = a.roleID(ctx, c.Role)
	return a, err
}

func authURL(p *gophercloud.ProviderClient) string {
	base := p.IdentityEndpoint
	if !strings.HasSuffix(strings.TrimSuffix(base, "/"), "/v3") {
		base = strings.TrimSuffix(p.IdentityBase, "/") + "/v3"
	}
	return strings.TrimSuffix(base, "/") + "/"
}

// identity makes a call to Keystone, as Storage.retry does.
func (a *accounts) identity(ctx context.Context, call func(ctx context.Context, client *gophercloud.ServiceClient) error) error {
	return a.s.retry(ctx, nil, func(ctx context.Context, token string) error { return call(ctx, a.client(token)) })
}

func (a *accounts) client(token string) *gophercloud.ServiceClient {
	return &gophercloud.ServiceClient{
		ProviderClient: a.s.wire, Endpoint: a.authURL, Type: "identity", MoreHeaders: map[string]string{"X-Auth-Token": token},
	}
}

func (a *accounts) domainID(ctx context.Context, name string) (id string, err error) {
	err = a.identity(ctx, func(ctx context.Context, client *gophercloud.ServiceClient) error {
		page, err := domains.List(client, domains.ListOpts{Name: name}).AllPages(ctx)
		if err != nil {
			return err
		}
		list, err := domains.ExtractDomains(page)
		if err == nil && len(list) == 1 {
			id = list[0].ID
		}
		return err
	})
	return found("domain", name, id, err)
}

func (a *accounts) projectID(ctx context.Context, name, domain string) (id string, err error) {
	err = a.identity(ctx, func(ctx context.Context, client *gophercloud.ServiceClient) error {
		page, err := projects.List(client, projects.ListOpts{Name: name, DomainID: domain}).AllPages(ctx)
		if err != nil {
			return err
		}
		list, err := projects.ExtractProjects(page)
		if err == nil && len(list) == 1 {
			id = list[0].ID
		}
		return err
	})
	return found("project", name, id, err)
}

func (a *accounts) roleID(ctx context.Context, name string) (id string, err error) {
	err = a.identity(ctx, func(ctx context.Context, client *gophercloud.ServiceClient) error {
		page, err := roles.List(client, roles.ListOpts{Name: name}).AllPages(ctx)
		if err != nil {
			return err
		}
		list, err := roles.ExtractRoles(page)
		if err == nil && len(list) == 1 {
			id = list[0].ID
		}
		return err
	})
	return found("role", name, id, err)
}

func found(what, name, id string, err error) (string, error) {
	if err == nil && id == "" {
		err = stacksync.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("find Keystone's %s %q: %w", what, name, err)
	}
	return id, nil
}

// ids remembers the ids of users by their names, for a minute: another process may have deleted a user and made it again.
type ids struct {
	mu    sync.Mutex
	known map[string]knownID
}

type knownID struct {
	id    string
	until time.Time
}

func (i *ids) get(name string) (string, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	k, ok := i.known[name]
	return k.id, ok && time.Now().Before(k.until)
}

func (i *ids) put(name, id string) {
	const most = 10_000
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.known) >= most {
		clear(i.known)
	}
	i.known[name] = knownID{id, time.Now().Add(time.Minute)}
}

func (i *ids) forget(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.known, name)
}
