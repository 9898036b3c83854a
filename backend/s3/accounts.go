package s3

import (
	"context"
	"fmt"
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

// WithUsers returns the Storage with accounts. It needs Config.BucketPrefix, since access is granted bucket by bucket. Close one of them.
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
func (s *AccountStorage) SetAccess(ctx context.Context, p stacksync.SetAccessParams) (stacksync.SetAccessResult, error) {
	err := check.SetAccess(ctx, p)
	if err == nil {
		err = s.setAccess(ctx, p)
	}
	if err != nil {
		return stacksync.SetAccessResult{}, fmt.Errorf("set access to container %.63q: %w", p.Container, err)
	}
	return stacksync.SetAccessResult{}, nil
}

func (s *AccountStorage) setAccess(ctx context.Context, p stacksync.SetAccessParams) error {
	const tries = 4
	at := s.layout.place(p.Container)
	names := make([]string, len(p.Grants))
	for i, g := range p.Grants {
		names[i] = g.Account
	}
	var err error
	for range tries {
		var principals map[string]string
		if len(names) > 0 {
			if principals, err = s.users.Principals(ctx, names); err != nil {
				return err
			}
		}
		var text string
		if text, err = policyOf(at.bucket, s.cfg.Region, p.Grants, principals); err != nil {
			return err
		}
		err = s.try(ctx, "set bucket policy", func(ctx context.Context) error { return s.client.SetBucketPolicy(ctx, at.bucket, text) })
		switch {
		case is(err, minio.NoSuchBucket):
			return missingContainer(p.Container)
		case is(err, minio.NoSuchBucketPolicy):
			return nil
		case !is(err, minio.MalformedPolicy):
			return err
		}
		// One of the accounts was deleted since it was looked for: servers refuse policies that name who does not exist.
	}
	return err
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
