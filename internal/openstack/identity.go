//go:build unix

package openstack

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
)

const (
	defaultDomain = "default" // the id of domain
	operatorRole  = "swiftoperator"
	userProject   = "stacksync_users"
)

// populate makes the projects, users and roles.
func (s *Server) populate(ctx context.Context, adminPassword string) error {
	admin, err := s.identity(ctx, "admin", adminPassword, "admin")
	if err != nil {
		return err
	}
	defer admin.HTTPClient.CloseIdleConnections()
	operator, err := roles.Create(ctx, admin, roles.CreateOpts{Name: operatorRole}).Extract()
	if err != nil {
		return fmt.Errorf("make the role: %w", err)
	}
	all, err := roles.List(admin, roles.ListOpts{Name: "admin"}).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("find the role admin: %w", err)
	}
	admins, err := roles.ExtractRoles(all)
	if err != nil || len(admins) != 1 {
		return fmt.Errorf("find the role admin: %d of them, %w", len(admins), err)
	}
	if _, err = s.addUser(ctx, admin, "service", "swift", s.conf.ServicePassword, admins[0].ID); err != nil {
		return err
	}
	project, err := s.addUser(ctx, admin, s.Project, s.User, s.Password, admins[0].ID, operator.ID)
	if err != nil {
		return err
	}
	if _, err := projects.Create(ctx, admin, projects.CreateOpts{Name: userProject, DomainID: defaultDomain}).Extract(); err != nil {
		return fmt.Errorf("make project %s: %w", userProject, err)
	}
	base := fmt.Sprintf("http://127.0.0.1:%d/v1/AUTH_", s.conf.Proxy)
	s.StorageURL = base + project
	service, err := services.Create(ctx, admin, services.CreateOpts{Type: "object-store", Extra: map[string]any{"name": "swift"}}).Extract()
	if err == nil {
		_, err = endpoints.Create(ctx, admin, endpoints.CreateOpts{
			ServiceID: service.ID, Region: s.Region, Availability: gophercloud.AvailabilityPublic, Name: "swift", URL: base + "%(project_id)s",
		}).Extract()
	}
	if err != nil {
		return fmt.Errorf("make the catalog's entry: %w", err)
	}
	return nil
}

// addUser makes a project with a user who has these roles in it, and returns the project's id.
func (s *Server) addUser(ctx context.Context, admin *gophercloud.ServiceClient, project, user, password string, roleIDs ...string) (string, error) {
	p, err := projects.Create(ctx, admin, projects.CreateOpts{Name: project, DomainID: defaultDomain}).Extract()
	if err != nil {
		return "", fmt.Errorf("make project %s: %w", project, err)
	}
	u, err := users.Create(ctx, admin, users.CreateOpts{Name: user, Password: password, DomainID: defaultDomain, DefaultProjectID: p.ID}).Extract()
	if err != nil {
		return "", fmt.Errorf("make user %s: %w", user, err)
	}
	for _, role := range roleIDs {
		if err := roles.Assign(ctx, admin, role, roles.AssignOpts{UserID: u.ID, ProjectID: p.ID}).ExtractErr(); err != nil {
			return "", fmt.Errorf("give user %s a role: %w", user, err)
		}
	}
	return p.ID, nil
}

// identity logs in to Keystone.
func (s *Server) identity(ctx context.Context, user, password, project string) (*gophercloud.ServiceClient, error) {
	provider, err := openstack.NewClient(s.AuthURL)
	if err != nil {
		return nil, err
	}
	provider.HTTPClient = http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	err = openstack.Authenticate(ctx, provider, gophercloud.AuthOptions{
		IdentityEndpoint: s.AuthURL, Username: user, Password: password, DomainName: s.Domain,
		Scope: &gophercloud.AuthScope{ProjectName: project, DomainName: s.Domain},
	})
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w", user, err)
	}
	return openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{Region: s.Region})
}

// Identity returns a client of Keystone with the rights of Server.User, an administrator.
func (s *Server) Identity(ctx context.Context) (*gophercloud.ServiceClient, error) {
	return s.identity(ctx, s.User, s.Password, s.Project)
}

// Revoke makes a token worthless, at once or within Options.TokenCache.
func (s *Server) Revoke(ctx context.Context, token string) error {
	admin, err := s.Identity(ctx)
	if err != nil {
		return err
	}
	if err := tokens.Revoke(ctx, admin, token).Err; err != nil {
		return fmt.Errorf("revoke a token: %w", err)
	}
	// Keystone looks at whole seconds: a token that is made in the same one would be revoked along with it.
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
		return nil
	}
}
