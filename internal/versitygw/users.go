//go:build unix

package versitygw

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/stacksync/stacksync-go"
)

// account is what the admin calls have of an account, in XML.
type account struct {
	XMLName xml.Name `xml:"Account"`
	Access  string
	Secret  string
	Role    string
}

// CreateUser makes an account that reaches nothing until a bucket's policy names its access key.
func (s *Server) CreateUser(ctx context.Context, access, secret string) error {
	_, err := s.admin(ctx, "create-user", nil, account{Access: access, Secret: secret, Role: "user"})
	if err != nil {
		return fmt.Errorf("create user %q: %w", access, err)
	}
	return nil
}

// SetSecret gives an account another secret.
func (s *Server) SetSecret(ctx context.Context, access, secret string) error {
	_, err := s.admin(ctx, "update-user", url.Values{"access": {access}}, struct {
		XMLName xml.Name `xml:"MutableProps"`
		Secret  string
	}{Secret: secret})
	if err != nil {
		return fmt.Errorf("set the secret of user %q: %w", access, err)
	}
	return nil
}

// DeleteUser deletes an account; a missing one is deleted already.
func (s *Server) DeleteUser(ctx context.Context, access string) error {
	_, err := s.admin(ctx, "delete-user", url.Values{"access": {access}}, nil)
	if err != nil && !errors.Is(err, errNoUser) {
		return fmt.Errorf("delete user %q: %w", access, err)
	}
	return nil
}

// ListUsers returns the access keys of all accounts but root.
func (s *Server) ListUsers(ctx context.Context) ([]string, error) {
	body, err := s.admin(ctx, "list-users", nil, nil)
	var list struct {
		Accounts []struct{ Access string }
	}
	if err == nil {
		err = xml.Unmarshal(body, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	names := make([]string, len(list.Accounts))
	for i, a := range list.Accounts {
		names[i] = a.Access
	}
	return names, nil
}

// PutUser makes an account or gives it another secret; with ifExists it makes none. The access key is the account's name. With DeleteUser
// and Principals it makes the server an s3.Users, by which the S3 back-end has accounts.
func (s *Server) PutUser(ctx context.Context, name string, secret stacksync.Secret, ifExists bool) (string, error) {
	err := s.SetSecret(ctx, name, string(secret))
	if errors.Is(err, errNoUser) && !ifExists {
		if err = s.CreateUser(ctx, name, string(secret)); errors.Is(err, errUserExists) { // made meanwhile
			err = s.SetSecret(ctx, name, string(secret))
		}
	}
	if errors.Is(err, errNoUser) && ifExists {
		err = nil
	}
	return name, err
}

// Principals returns by which names a policy knows those of the accounts that exist.
func (s *Server) Principals(ctx context.Context, names []string) (map[string]string, error) {
	list, err := s.ListUsers(ctx)
	if err != nil {
		return nil, err
	}
	exists := make(map[string]bool, len(list))
	for _, name := range list {
		exists[name] = true
	}
	principals := make(map[string]string, len(names))
	for _, name := range names {
		if exists[name] {
			principals[name] = name
		}
	}
	return principals, nil
}

var (
	errNoUser     = errors.New("there is no such user")
	errUserExists = errors.New("the user exists")
)

// admin makes a call of the admin API, which is signed as S3's are.
func (s *Server) admin(ctx context.Context, call string, query url.Values, body any) ([]byte, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = xml.Marshal(body); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPatch, s.URL()+"/"+call+"?"+query.Encode(), bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	r = signer.SignV4(*r, s.AccessKey, s.SecretKey, "", s.Region)
	answer, err := s.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	const most = 16 << 20
	text, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < 300 {
		return text, nil
	}
	var failure struct{ Code, Message string }
	if err := xml.Unmarshal(text, &failure); err != nil {
		return nil, fmt.Errorf("answer %s", answer.Status)
	}
	switch failure.Code {
	case "XAdminUserNotFound":
		return nil, errNoUser
	case "XAdminUserExists":
		return nil, errUserExists
	}
	return nil, fmt.Errorf("%s: %s", failure.Code, failure.Message)
}
