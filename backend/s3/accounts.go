package s3

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"github.com/minio/minio-go/v7"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
	"github.com/stacksync/stacksync-go/backend/internal/objectname"
)

// Users makes the users of a server. S3 itself has no calls for that, and each vendor has others; Amazon's do not let anybody choose a
// secret key, so they can't be used for it. All methods may be called from many goroutines.
type Users interface {
	// PutUser makes a user whose secret key this is, or gives it to the one that exists; with ifExists it makes none. It returns the user's
	// access key. A new user reaches nothing. A name is 1 to 63 characters of a-z, 0-9 and "-".
	PutUser(ctx context.Context, name string, secret stacksync.Secret, ifExists bool) (accessKey string, err error)
	// DeleteUser deletes a user; a missing one is deleted already.
	DeleteUser(ctx context.Context, name string) error
	// Principals returns what a bucket's policy calls those of the users that exist (an ARN, or the access key), by their names.
	Principals(ctx context.Context, names []string) (map[string]string, error)
}

// AccountStorage is a Storage that is a stacksync.AccountProvisioner, too. Make it with WithUsers.
type AccountStorage struct {
	*Storage
	users Users
}

var _ stacksync.AccountProvisioner = (*AccountStorage)(nil)

// WithUsers returns the Storage with accounts: hand that one to the service. It needs
// Config.BucketPrefix, since access is granted bucket by bucket. Both share their connections, so
// closing either is enough. *stacksync.FieldError: there is no BucketPrefix, or users is nil.
func (s *Storage) WithUsers(users Users) (*AccountStorage, error) {
	if !s.layout.ownBucket() {
		return nil, field("BucketPrefix", "is not set: accounts need a bucket for each container")
	}
	if users == nil {
		return nil, field("users", "is nil")
	}
	return &AccountStorage{s, users}, nil
}

// PutAccount implements stacksync.AccountProvisioner. The account is one of Users, and the login its access key. When the former secret
// stops working is for the server to say.
func (s *AccountStorage) PutAccount(ctx context.Context, p stacksync.PutAccountParams) (stacksync.PutAccountResult, error) {
	err := check.PutAccount(ctx, p)
	var login string
	if err == nil {
		login, err = s.users.PutUser(ctx, p.Account, p.Secret, p.IfExists)
	}
	if err != nil {
		return stacksync.PutAccountResult{}, fmt.Errorf("put account %.63q: %w", p.Account, err)
	}
	return stacksync.PutAccountResult{Login: login}, nil
}

// DeleteAccount implements stacksync.AccountProvisioner. The name stays in the policies of buckets until SetAccess writes them anew.
func (s *AccountStorage) DeleteAccount(ctx context.Context, p stacksync.DeleteAccountParams) (stacksync.DeleteAccountResult, error) {
	err := check.DeleteAccount(ctx, p)
	if err == nil {
		err = s.users.DeleteUser(ctx, p.Account)
	}
	if err != nil {
		return stacksync.DeleteAccountResult{}, fmt.Errorf("delete account %.63q: %w", p.Account, err)
	}
	return stacksync.DeleteAccountResult{}, nil
}

// SetAccess implements stacksync.AccountProvisioner: it writes the bucket's policy, in the place of another one. Read lets an account get
// and list chunks, ReadWrite also put them, which can replace stored ones, but not delete them. S3 takes a policy of 20 KiB, about 500
// accounts.
func (s *AccountStorage) SetAccess(ctx context.Context, p stacksync.SetAccessParams) (r stacksync.SetAccessResult, err error) {
	if err = check.SetAccess(ctx, p); err == nil {
		r.Omitted, err = s.setAccess(ctx, p)
	}
	if err != nil {
		return stacksync.SetAccessResult{}, fmt.Errorf("set access to container %.63q: %w", p.Container, err)
	}
	return r, nil
}

func (s *AccountStorage) setAccess(ctx context.Context, p stacksync.SetAccessParams) (omitted []string, err error) {
	const tries = 100 // more accounts than are made meanwhile
	at := s.layout.place(p.Container)
	var listed map[string]string // those that there were at the last write, by their names
	for range tries {
		principals, err := s.principals(ctx, p.Grants, listed)
		if err != nil || listed != nil && len(principals) == len(listed) {
			return omitted, err
		}
		listed = nil
		var text string
		if text, omitted, err = policyOf(at.bucket, s.cfg.Region, p.Grants, principals); err != nil {
			return nil, err
		}
		err = s.try(ctx, "set bucket policy", func(ctx context.Context) error { return s.client.SetBucketPolicy(ctx, at.bucket, text) })
		switch {
		case is(err, minio.NoSuchBucket):
			return nil, missingContainer(p.Container)
		case is(err, minio.MalformedPolicy):
			// One of the accounts was deleted since it was looked for: servers refuse policies that name who does not exist.
		case err != nil && !is(err, minio.NoSuchBucketPolicy):
			return nil, err
		default:
			listed = principals
		}
	}
	return nil, fmt.Errorf("accounts come and go: %w", stacksync.ErrBusy)
}

// principals returns what policies call the accounts that exist. Those that are known are not looked for again.
func (s *AccountStorage) principals(ctx context.Context, grants []stacksync.Grant, known map[string]string) (map[string]string, error) {
	var names []string
	for _, g := range grants {
		if known[g.Account] == "" {
			names = append(names, g.Account)
		}
	}
	all := map[string]string{}
	if len(names) > 0 {
		found, err := s.users.Principals(ctx, names)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, found)
	}
	maps.Copy(all, known)
	return all, nil
}

// Locate implements stacksync.AccountProvisioner. The protocol is "s3", and the settings are
//
//	endpoint     the URL of the server
//	region       for which requests are signed
//	bucket       of the container
//	path_style   "true" where the bucket belongs into the path, "false" where it belongs into the host's name
//
// The objects are keys in the bucket.
func (s *AccountStorage) Locate(ctx context.Context, p stacksync.LocateParams) (stacksync.LocateResult, error) {
	if err := check.Locate(ctx, p); err != nil {
		return stacksync.LocateResult{}, fmt.Errorf("locate chunks: %w", err)
	}
	at := s.layout.place(p.Container)
	endpoint := s.signing.EndpointURL()
	r := stacksync.LocateResult{
		Location: stacksync.Location{Protocol: "s3", Settings: map[string]string{
			"endpoint": endpoint.Scheme + "://" + endpoint.Host, "region": s.cfg.Region, "bucket": at.bucket,
			"path_style": strconv.FormatBool(s.pathStyle(at.bucket)),
		}},
		Objects: make([]string, len(p.Names)),
	}
	for i, name := range p.Names {
		r.Objects[i] = objectname.Of(name)
	}
	return r, nil
}
