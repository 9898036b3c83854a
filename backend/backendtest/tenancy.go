package backendtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// tenancy is a fixture that makes accounts, and begins sessions with them as a device does.
type tenancy struct {
	*fixture
	accounts stacksync.AccountProvisioner
	dial     func(t T, login string, secret stacksync.Secret, at stacksync.Location) Client
	suite    Suite
}

func newTenancy(t T, s Suite) *tenancy {
	t.Helper()
	f := newFixture(t, s)
	require.NotNil(t, f.dial, "Instance.Dial is nil")
	return &tenancy{fixture: f, accounts: capability[stacksync.AccountProvisioner](t, f.StorageProvisioner), dial: f.dial, suite: s}
}

// member is an account and what its user knows of it.
type member struct {
	account, login string
	secret         stacksync.Secret
}

func newSecret() stacksync.Secret {
	return stacksync.Secret(rand.Text() + "-_" + strings.ToLower(rand.Text()))
}

// account returns the name of an account that nobody else uses, and has it deleted at the end.
func (f *tenancy) account() string {
	name := "u-" + strings.ToLower(rand.Text())
	f.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleaning)
		defer cancel()
		if _, err := f.accounts.DeleteAccount(ctx, stacksync.DeleteAccountParams{Account: name}); err != nil {
			f.Errorf("delete the account at the end: %v", err)
		}
	})
	return name
}

// putAccount makes an account, or gives it another secret.
func (f *tenancy) putAccount(account string, secret stacksync.Secret) member {
	f.Helper()
	r, err := f.accounts.PutAccount(f.Context(), stacksync.PutAccountParams{Account: account, Secret: secret})
	require.NoError(f, err)
	require.NotEmpty(f, r.Login)
	return member{account: account, login: r.Login, secret: secret}
}

func (f *tenancy) member() member {
	f.Helper()
	return f.putAccount(f.account(), newSecret())
}

func (f *tenancy) deleteAccount(m member) {
	f.Helper()
	_, err := f.accounts.DeleteAccount(f.Context(), stacksync.DeleteAccountParams{Account: m.account})
	require.NoError(f, err)
}

func (m member) reads() stacksync.Grant {
	return stacksync.Grant{Account: m.account, Permission: stacksync.Read}
}

func (m member) writes() stacksync.Grant {
	return stacksync.Grant{Account: m.account, Permission: stacksync.ReadWrite}
}

// grant gives a container to exactly these.
func (f *tenancy) grant(container string, grants ...stacksync.Grant) {
	f.Helper()
	_, err := f.accounts.SetAccess(f.Context(), stacksync.SetAccessParams{Container: container, Grants: grants})
	require.NoError(f, err)
}

func (f *tenancy) locate(container string, names ...string) stacksync.LocateResult {
	f.Helper()
	r, err := f.accounts.Locate(f.Context(), stacksync.LocateParams{Container: container, Names: names})
	require.NoError(f, err)
	require.Len(f, r.Objects, len(names))
	return r
}

// session is one that a member has with a container.
type session struct {
	f         *tenancy
	client    Client
	container string
}

func (f *tenancy) open(m member, container string) *session {
	f.Helper()
	return &session{f: f, client: f.dial(f, m.login, m.secret, f.locate(container).Location), container: container}
}

func (s *session) object(name string) (string, error) {
	r, err := s.f.accounts.Locate(s.f.Context(), stacksync.LocateParams{Container: s.container, Names: []string{name}})
	if err == nil && len(r.Objects) != 1 {
		err = fmt.Errorf("locate has %d objects for one name", len(r.Objects))
	}
	if err != nil {
		return "", err
	}
	return r.Objects[0], nil
}

// get gets a chunk whose content is made of its name.
func (s *session) get(name string) error {
	object, err := s.object(name)
	if err != nil {
		return err
	}
	content, err := s.client.Get(s.f.Context(), object)
	if err == nil && string(content) != contentOf(name) {
		err = fmt.Errorf("get %q: %d bytes that are not those of the chunk", name, len(content))
	}
	return err
}

// put puts a chunk with content that is made of its name.
func (s *session) put(name string) error {
	object, err := s.object(name)
	if err != nil {
		return err
	}
	return s.client.Put(s.f.Context(), object, []byte(contentOf(name)))
}

func (s *session) delete(name string) error {
	object, err := s.object(name)
	if err != nil {
		return err
	}
	return s.client.Delete(s.f.Context(), object)
}

func (s *session) list() error {
	_, err := s.client.List(s.f.Context())
	return err
}

// within tries until it succeeds, or the bound is over.
func within(t T, bound time.Duration, try func() error) {
	t.Helper()
	const pause = 50 * time.Millisecond
	for end := time.Now().Add(bound); ; wait(t, pause) {
		err := try()
		if err == nil {
			return
		}
		if !time.Now().Before(end) {
			require.NoError(t, err)
		}
	}
}

// denied turns what an operation returned round: it must have been refused.
func denied(err error) error {
	switch {
	case errors.Is(err, ErrDenied):
		return nil
	case err == nil:
		return errors.New("it was not denied")
	default:
		return fmt.Errorf("not an ErrDenied: %w", err)
	}
}

// requireShut checks that a session has no access at all to a container that has these chunks, and no others.
func (f *tenancy) requireShut(s *session, stored ...string) {
	f.Helper()
	f.requireShutWithin(f.suite.AccessBound, s, stored...)
}

func (f *tenancy) requireShutWithin(bound time.Duration, s *session, stored ...string) {
	f.Helper()
	within(f, bound, func() error { return denied(s.get(stored[0])) })
	require.NoError(f, denied(s.put("intruder")), "put")
	require.NoError(f, denied(s.put(stored[0])), "put over a chunk")
	require.NoError(f, denied(s.delete(stored[0])), "delete")
	require.NoError(f, denied(s.list()), "list")
	require.NoError(f, denied(s.get(stored[0])), "get")
	f.requireChunks(s.container, stored...)
}

// requireReads checks that a session can get a chunk.
func (f *tenancy) requireReads(s *session, name string) {
	f.Helper()
	within(f, f.suite.AccessBound, func() error { return s.get(name) })
}

// requireWrites checks that a session can put a chunk, which the service then finds.
func (f *tenancy) requireWrites(s *session, name string) {
	f.Helper()
	within(f, f.suite.AccessBound, func() error { return s.put(name) })
	require.Equal(f, map[string]int64{name: int64(len(contentOf(name)))}, f.stat(s.container, name))
	got, err := f.read(s.container, name)
	require.NoError(f, err)
	require.Equal(f, contentOf(name), got)
}

// requireReadsOnly checks that a session can read a container that has these chunks, and change nothing.
func (f *tenancy) requireReadsOnly(s *session, stored ...string) {
	f.Helper()
	within(f, f.suite.AccessBound, func() error { return denied(s.delete(stored[0])) })
	require.NoError(f, denied(s.put("intruder")), "put")
	require.NoError(f, denied(s.put(stored[0])), "put over a chunk")
	f.requireReads(s, stored[0])
	f.requireListsAtMost(s, stored...)
	f.requireChunks(s.container, stored...)
}

// requireListsAtMost checks that a session lists exactly the named chunks, if it may list at all.
func (f *tenancy) requireListsAtMost(s *session, names ...string) {
	f.Helper()
	objects, err := s.client.List(f.Context())
	if err != nil {
		require.ErrorIs(f, err, ErrDenied, "list")
		return
	}
	want := f.locate(s.container, names...).Objects
	for _, object := range want {
		require.True(f, slices.Contains(objects, object), "%q is not listed", object)
	}
	require.Len(f, objects, len(want), "the listing has more than the chunks: %q", objects)
}
