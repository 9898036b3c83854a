package swift

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
	"github.com/stacksync/stacksync-go/backend/internal/objectname"
)

const (
	readHeader  = "X-Container-Read"
	writeHeader = "X-Container-Write"
)

// SetAccess implements stacksync.AccountProvisioner: one request to Swift, and one to Keystone for each account not seen in the last minute.
// Both lists change at once. See Accounts for what ReadWrite allows, and how many accounts a list holds.
func (a *accounts) SetAccess(ctx context.Context, p stacksync.SetAccessParams) (stacksync.SetAccessResult, error) {
	err := check.SetAccess(ctx, p)
	if err == nil {
		err = a.setAccess(ctx, p)
	}
	if err != nil {
		return stacksync.SetAccessResult{}, fmt.Errorf("set the access to container %.63q: %w", p.Container, err)
	}
	return stacksync.SetAccessResult{}, nil
}

func (a *accounts) setAccess(ctx context.Context, p stacksync.SetAccessParams) error {
	users := make([]string, len(p.Grants))
	err := a.s.each(ctx, len(users), func(ctx context.Context, i int) error {
		id, ok, err := a.find(ctx, a.cfg.Prefix+p.Grants[i].Account)
		if ok {
			users[i] = a.project + ":" + id
		}
		return err
	})
	if err != nil {
		return err
	}
	var readers, writers []string
	for i, user := range users {
		if user == "" {
			continue
		}
		readers = append(readers, user)
		if p.Grants[i].Permission == stacksync.ReadWrite {
			writers = append(writers, user)
		}
	}
	header := map[string]string{readHeader: strings.Join(readers, ","), writeHeader: strings.Join(writers, ",")}
	for name, value := range header {
		if line := len(name) + len(": \r\n") + len(value); line > a.s.info.Swift.MaxHeaderSize {
			return tooMany(p, len(readers))
		}
	}
	_, err = a.s.do(ctx, request{
		method: http.MethodPost, container: a.s.container(p.Container), header: header,
		ok: []int{http.StatusCreated, http.StatusAccepted, http.StatusNoContent},
	})
	switch {
	case isStatus(err, http.StatusNotFound):
		return missingContainer(p.Container)
	case isStatus(err, http.StatusBadRequest, http.StatusRequestHeaderFieldsTooLarge) && len(users) > 1: // some proxy before Swift takes less
		return fmt.Errorf("%w: %w", tooMany(p, len(readers)), err)
	}
	return err
}

func tooMany(p stacksync.SetAccessParams, n int) error {
	return &stacksync.FieldError{
		Field: "Grants", Reason: fmt.Sprintf("name %d accounts that exist (of %d), more than a container's list in Swift holds", n, len(p.Grants)),
		Err: stacksync.ErrLimit,
	}
}

// Locate implements stacksync.AccountProvisioner. See Accounts for the settings. It makes no request.
func (a *accounts) Locate(ctx context.Context, p stacksync.LocateParams) (stacksync.LocateResult, error) {
	if err := check.Locate(ctx, p); err != nil {
		return stacksync.LocateResult{}, fmt.Errorf("locate container %.63q: %w", p.Container, err)
	}
	r := stacksync.LocateResult{
		Location: stacksync.Location{Protocol: "swift", Settings: map[string]string{
			"auth_url": strings.TrimSuffix(a.authURL, "/"), "region": a.s.cfg.Region, "user_domain": a.cfg.Domain,
			"project": a.cfg.Project, "project_domain": a.cfg.ProjectDomain, "storage_url": a.s.url, "container": a.s.container(p.Container),
		}},
		Objects: make([]string, len(p.Names)),
	}
	for i, name := range p.Names {
		r.Objects[i] = objectname.Of(name)
	}
	return r, nil
}
