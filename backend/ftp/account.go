package ftp

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// Access keeps accounts, and what they may do. How that is done differs from one FTP server to another; ProFTPD is the one for that
// server. Parameters are checked before. All methods may be called from many goroutines, and calls may be repeated.
type Access interface {
	// PutAccount makes an account, or gives it another secret, and returns the name to log in with. With ifExists it makes none.
	PutAccount(ctx context.Context, account string, secret stacksync.Secret, ifExists bool) (login string, err error)
	// DeleteAccount deletes an account; a missing one is no error.
	DeleteAccount(ctx context.Context, account string) error
	// SetAccess is that of stacksync.AccountProvisioner, for the folder of a container. It returns the accounts that are omitted. It is not
	// called twice at a time for one folder by one process.
	SetAccess(ctx context.Context, f Folder, grants []stacksync.Grant) (omitted []string, err error)
}

// Folder is the folder of a container, to an Access.
type Folder struct {
	storage   *Storage
	container string
}

// Path is that of the folder, as the service's account sees it.
func (f Folder) Path() string { return f.storage.containerPath(f.container) }

// Service is the name that the service's own account logs in with.
func (f Folder) Service() string { return f.storage.pool.server.user }

// Put writes a small file over FTP, in the folder or in its folder .tmp; it is there whole or as it was before. The time of its last
// change, in seconds, is later than that of the file it replaces. A missing container is a stacksync.ErrNotFound.
func (f Folder) Put(ctx context.Context, name string, content []byte) error {
	return f.storage.putFile(ctx, f.container, name, content)
}

// accounts is what a Storage unwraps to.
type accounts struct {
	*Storage
	access Access
	// setting has a lock for each container whose access is being set, or several.
	setting [32]sync.Mutex
}

var _ stacksync.AccountProvisioner = (*accounts)(nil)

// Unwrap ends the search for capabilities.
func (a *accounts) Unwrap() stacksync.StorageProvisioner { return nil }

// PutAccount implements stacksync.AccountProvisioner.
func (a *accounts) PutAccount(ctx context.Context, p stacksync.PutAccountParams) (r stacksync.PutAccountResult, err error) {
	if err = check.PutAccount(ctx, p); err == nil {
		err = a.checkAccount(p.Account)
	}
	if err == nil {
		ctx, done := a.join(ctx)
		defer done()
		r.Login, err = a.access.PutAccount(ctx, p.Account, p.Secret, p.IfExists)
	}
	if err != nil {
		return stacksync.PutAccountResult{}, fmt.Errorf("put account %.63q: %w", p.Account, withoutSecret(err, p.Secret))
	}
	return r, nil
}

// checkAccount spares the service's own account.
func (a *accounts) checkAccount(name string) error {
	if name == a.pool.server.user {
		return &stacksync.FieldError{Field: "Account", Reason: "is the service's own"}
	}
	return nil
}

// DeleteAccount implements stacksync.AccountProvisioner.
func (a *accounts) DeleteAccount(ctx context.Context, p stacksync.DeleteAccountParams) (stacksync.DeleteAccountResult, error) {
	err := check.DeleteAccount(ctx, p)
	if err == nil {
		err = a.checkAccount(p.Account)
	}
	if err == nil {
		ctx, done := a.join(ctx)
		defer done()
		err = a.access.DeleteAccount(ctx, p.Account)
	}
	if err != nil {
		return stacksync.DeleteAccountResult{}, fmt.Errorf("delete account %.63q: %w", p.Account, err)
	}
	return stacksync.DeleteAccountResult{}, nil
}

// SetAccess implements stacksync.AccountProvisioner.
func (a *accounts) SetAccess(ctx context.Context, p stacksync.SetAccessParams) (r stacksync.SetAccessResult, err error) {
	err = check.SetAccess(ctx, p)
	for _, g := range p.Grants {
		if err == nil {
			err = a.checkAccount(g.Account)
		}
	}
	if err == nil {
		r.Omitted, err = a.setAccess(ctx, p)
	}
	if err != nil {
		return stacksync.SetAccessResult{}, fmt.Errorf("set access to container %.63q: %w", p.Container, err)
	}
	return r, nil
}

func (a *accounts) setAccess(ctx context.Context, p stacksync.SetAccessParams) (omitted []string, err error) {
	ctx, done := a.join(ctx)
	defer done()
	var sum int
	for _, b := range []byte(p.Container) {
		sum = 31*sum + int(b)
	}
	lock := &a.setting[uint(sum)%uint(len(a.setting))] //nolint:gosec // any number will do
	lock.Lock()
	defer lock.Unlock()
	return a.access.SetAccess(ctx, Folder{a.Storage, p.Container}, p.Grants)
}

// Locate implements stacksync.AccountProvisioner: see the package comment for the settings.
func (a *accounts) Locate(ctx context.Context, p stacksync.LocateParams) (stacksync.LocateResult, error) {
	if err := check.Locate(ctx, p); err != nil {
		return stacksync.LocateResult{}, fmt.Errorf("locate chunks: %w", err)
	}
	host, port, err := net.SplitHostPort(a.pool.server.addr)
	if err != nil {
		return stacksync.LocateResult{}, fmt.Errorf("locate chunks: %w", err)
	}
	secure := "explicit"
	if a.pool.server.tls == nil {
		secure = "none"
	}
	r := stacksync.LocateResult{Location: stacksync.Location{Protocol: "ftp", Settings: map[string]string{
		"host": host, "port": port, "tls": secure, "folder": a.containerPath(p.Container),
	}}}
	for _, name := range p.Names {
		r.Objects = append(r.Objects, placeOf(name))
	}
	return r, nil
}
