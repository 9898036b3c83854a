package stacksync

import (
	"context"
	"log/slog"
)

// AccountProvisioner is an optional interface of a StorageProvisioner where users can have accounts
// of their own: a Keystone user, an S3 access key, an FTP user. With an account the devices of a
// user reach, without the host, the containers that the account is granted.
//
// The name of an account has the form of a container's name, 1 to 63 characters; the service makes
// it. All calls may be repeated: asking for a state that is reached already succeeds.
type AccountProvisioner interface {
	// PutAccount makes an account, or gives an existing account another secret. The former secret,
	// and sessions that were begun with it, stop working, at once or within a bound that the
	// back-end documents. If the account has the given secret already, its sessions go on.
	PutAccount(ctx context.Context, p PutAccountParams) (PutAccountResult, error)
	// DeleteAccount deletes an account. A missing account counts as deleted. The account's name may
	// stay in lists of access: see SetAccess.
	DeleteAccount(ctx context.Context, p DeleteAccountParams) (DeleteAccountResult, error)
	// SetAccess says which accounts reach a container: exactly those in Grants, beside the service
	// itself. An account that is not listed has no access when SetAccess returns, or within a bound
	// that the back-end documents. ErrNotFound: the container is missing.
	//
	// An account that does not exist is passed over. Before it returns, SetAccess looks for such
	// accounts once more, and lists those that have come to exist. Otherwise this could happen:
	// call 1 does not find an account; the account is made; call 2 lists it; call 1 writes its
	// list, and leaves it out.
	//
	// Where the storage can't list that many accounts, it lists the first ones of Grants, as many
	// as it can, and the result names the others.
	SetAccess(ctx context.Context, p SetAccessParams) (SetAccessResult, error)
	// Locate tells clients where the chunks of a container are. It does not look whether they
	// exist.
	Locate(ctx context.Context, p LocateParams) (LocateResult, error)
}

// Secret is a text that must not be logged: fmt and slog show "[secret]" in its place. JSON has the
// text itself, for the client.
type Secret string

// String implements fmt.Stringer.
func (Secret) String() string { return "[secret]" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "[secret]" }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// PutAccountParams are the parameters of AccountProvisioner.PutAccount.
type PutAccountParams struct {
	Account string
	// Secret is 16 to 64 characters of A-Z, a-z, 0-9, "-" and "_", since bcrypt takes no more than
	// 72 bytes.
	Secret Secret
	// IfExists changes an account that exists, and makes none.
	IfExists bool
}

// PutAccountResult is the result of AccountProvisioner.PutAccount.
type PutAccountResult struct {
	// Login is the name by which the storage knows the account.
	Login string
}

// DeleteAccountParams are the parameters of AccountProvisioner.DeleteAccount.
type DeleteAccountParams struct{ Account string }

// DeleteAccountResult is the result of AccountProvisioner.DeleteAccount.
type DeleteAccountResult struct{}

// Permission is what an account may do in a container.
type Permission uint8

// The permissions of an account in a container.
const (
	// Read: the account gets chunks whose names it knows, and perhaps lists them.
	Read Permission = 1
	// ReadWrite: the account also puts chunks. The back-end documents whether it can replace and
	// delete them, too.
	ReadWrite Permission = 2
)

// Grant gives an account access to a container.
type Grant struct {
	Account    string
	Permission Permission
}

// SetAccessParams are the parameters of AccountProvisioner.SetAccess.
type SetAccessParams struct {
	Container string
	Grants    []Grant // no account twice
}

// SetAccessResult is the result of AccountProvisioner.SetAccess.
type SetAccessResult struct {
	// Omitted are the accounts that exist but have no access, since the storage can't list so many.
	Omitted []string
}

// LocateParams are the parameters of AccountProvisioner.Locate.
type LocateParams struct {
	Container string
	Names     []string // names of chunks
}

// LocateResult is the result of AccountProvisioner.Locate.
type LocateResult struct {
	Location Location
	Objects  []string // Objects[i] is the name of the chunk Names[i] there
}

// Location is where a client with an account finds a container.
type Location struct {
	// Protocol is "s3", "swift", "ftp", or another that the back-end and its clients agree on.
	Protocol string `json:"protocol"`
	// Settings are what a client of that protocol needs besides login and secret. Each back-end
	// documents its own.
	Settings map[string]string `json:"settings"`
}
