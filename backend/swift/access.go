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
	// sharedHeader stays with a container in which an account could write once: see page.shared.
	sharedHeader = "X-Container-Meta-Stacksync-Shared"
)

// SetAccess implements stacksync.AccountProvisioner: one request to Swift, and one to Keystone for each account not seen in the last minute,
// two for one that does not exist. Both lists change at once. See Accounts for what ReadWrite allows, and how many accounts a list holds.
func (a *accounts) SetAccess(ctx context.Context, p stacksync.SetAccessParams) (r stacksync.SetAccessResult, err error) {
	if err = check.SetAccess(ctx, p); err == nil {
		r.Omitted, err = a.setAccess(ctx, p)
	}
	if err != nil {
		return stacksync.SetAccessResult{}, fmt.Errorf("set the access to container %.63q: %w", p.Container, err)
	}
	return r, nil
}

func (a *accounts) setAccess(ctx context.Context, p stacksync.SetAccessParams) (omitted []string, err error) {
	const tries = 100 // more accounts than are made meanwhile
	users, listed := make([]string, len(p.Grants)), -1
	for range tries {
		found, err := a.findAll(ctx, p.Grants, users)
		if err != nil || found == listed {
			return omitted, err
		}
		if omitted, err = a.list(ctx, p, users); err != nil {
			return nil, err
		}
		listed = found // and look for the others once more: they may have been made meanwhile
	}
	return nil, fmt.Errorf("accounts come and go: %w", stacksync.ErrBusy)
}

// findAll fills in those users that are not known yet, and returns how many exist.
func (a *accounts) findAll(ctx context.Context, grants []stacksync.Grant, users []string) (found int, err error) {
	err = a.s.each(ctx, len(users), func(ctx context.Context, i int) error {
		if users[i] != "" {
			return nil
		}
		id, ok, err := a.find(ctx, a.cfg.Prefix+grants[i].Account)
		if ok {
			users[i] = a.project + ":" + id
		}
		return err
	})
	for _, user := range users {
		if user != "" {
			found++
		}
	}
	return found, err
}

// list writes the lists of a container, with the first of those who exist, as many as Swift takes. It returns the accounts of the others.
func (a *accounts) list(ctx context.Context, p stacksync.SetAccessParams, users []string) (omitted []string, err error) {
	var existing []int
	for i, user := range users {
		if user != "" {
			existing = append(existing, i)
		}
	}
	for n := a.fitting(existing, users); ; n /= 2 {
		var readers, writers []string
		for _, i := range existing[:n] {
			readers = append(readers, users[i])
			if p.Grants[i].Permission == stacksync.ReadWrite {
				writers = append(writers, users[i])
			}
		}
		header := map[string]string{readHeader: strings.Join(readers, ","), writeHeader: strings.Join(writers, ",")}
		if len(writers) > 0 {
			header[sharedHeader] = "yes"
		}
		_, err = a.s.do(ctx, request{
			method: http.MethodPost, container: a.s.container(p.Container), header: header,
			ok: []int{http.StatusCreated, http.StatusAccepted, http.StatusNoContent},
		})
		switch {
		case isStatus(err, http.StatusNotFound):
			return nil, missingContainer(p.Container)
		case isStatus(err, http.StatusBadRequest, http.StatusRequestHeaderFieldsTooLarge) && n > 1:
			continue // some proxy before Swift takes less
		case err != nil:
			return nil, err
		}
		for _, i := range existing[n:] {
			omitted = append(omitted, p.Grants[i].Account)
		}
		return omitted, nil
	}
}

// fitting returns how many users a header holds, as Swift bounds its line. That of the writers, whose name is longer, may have them all.
func (a *accounts) fitting(existing []int, users []string) int {
	line := len(writeHeader) + len(": \r\n") - len(",")
	for n, i := range existing {
		if line += len(",") + len(users[i]); line > a.s.info.Swift.MaxHeaderSize {
			return n
		}
	}
	return len(existing)
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
