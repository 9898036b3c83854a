package stacksync

import (
	"context"
	"log/slog"
)

// AccountProvisioner is a StorageProvisioner where users can have accounts of their own, with which
// their devices reach the containers they are granted without the host: a Keystone user, an S3
// access key, an FTP user.
//
// An account's name is 1 to 63 characters as a container's is; the service makes it. All calls may
// be repeated: what is so already is a success.
type AccountProvisioner interface {
	// PutAccount makes an account, or gives the one that exists another secret. The former secret,
	// and sessions begun with it, stop working, at once or within a bound that the back-end
	// documents; with the secret it has already, sessions go on.
	PutAccount(ctx context.Context, p PutAccountParams) (PutAccountResult, error)
	// DeleteAccount deletes an account. It may leave its name in lists of access: see SetAccess.
	DeleteAccount(ctx context.Context, p DeleteAccountParams) (DeleteAccountResult, error)
	// SetAccess says who reaches a container: exactly the accounts listed, beside the service
	// itself. Who is not listed has no access when it returns, or within a bound that the back-end
	// documents. An account that does not exist is passed over, and looked for once more at the
	// end: who makes one calls SetAccess afterwards, and no call that began before may leave it
	// out. Where the storage can't list so many, it lists the first of them, as many as it can, and
	// the result names the others. A missing container is an ErrNotFound.
	SetAccess(ctx context.Context, p SetAccessParams) (SetAccessResult, error)
	// Locate tells clients where the chunks of a container are. Whether they exist is not looked
	// at.
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

// PutAccountParams are those of AccountProvisioner.PutAccount.
type PutAccountParams struct {
	Account string
	Secret  Secret // 16 to 64 characters of A-Z, a-z, 0-9, "-" and "_": bcrypt takes no more than 72
	// IfExists changes an account that exists, and makes none.
	IfExists bool
}

// PutAccountResult is that of AccountProvisioner.PutAccount.
type PutAccountResult struct {
	// Login is the name by which the storage knows the account.
	Login string
}

// DeleteAccountParams are those of AccountProvisioner.DeleteAccount.
type DeleteAccountParams struct{ Account string }

// DeleteAccountResult is that of AccountProvisioner.DeleteAccount.
type DeleteAccountResult struct{}

// Permission is what an account may do in a container.
type Permission uint8

// The permissions.
const (
	// Read: get chunks whose names it knows; perhaps list them.
	Read Permission = 1
	// ReadWrite: put chunks, too. The back-end documents whether it can also replace and delete
	// them.
	ReadWrite Permission = 2
)

// Grant gives an account access to a container.
type Grant struct {
	Account    string
	Permission Permission
}

// SetAccessParams are those of AccountProvisioner.SetAccess.
type SetAccessParams struct {
	Container string
	Grants    []Grant // no account twice
}

// SetAccessResult is that of AccountProvisioner.SetAccess.
type SetAccessResult struct {
	Omitted []string // the accounts that exist and have no access, since the storage can't list so many
}

// LocateParams are those of AccountProvisioner.Locate.
type LocateParams struct {
	Container string
	Names     []string // of chunks
}

// LocateResult is that of AccountProvisioner.Locate.
type LocateResult struct {
	Location Location
	Objects  []string // Objects[i] is what Names[i] is called there
}

// Location is where a client with an account finds a container.
type Location struct {
	// Protocol is "s3", "swift", "ftp", or another that the back-end and its clients agree on.
	Protocol string `json:"protocol"`
	// Settings are what a client of that protocol needs besides login and secret. Each back-end
	// documents its own.
	Settings map[string]string `json:"settings"`
}
