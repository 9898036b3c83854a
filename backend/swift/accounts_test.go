package swift_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/swift"
)

// keystone has one user at most, and notes what is changed.
type keystone struct {
	mu      sync.Mutex
	exists  bool
	changes []string
}

func (k *keystone) serve(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	path := strings.TrimPrefix(r.URL.Path, "/v3/")
	if r.Method != http.MethodGet {
		k.changes = append(k.changes, r.Method+" "+path)
	}
	switch {
	case r.Method == http.MethodGet && (path != "users" || k.exists):
		_, _ = fmt.Fprintf(w, `{%q:[{"id":"id-of-%s"}]}`, path, path)
	case r.Method == http.MethodGet:
		_, _ = io.WriteString(w, `{"users":[]}`)
	case r.Method == http.MethodPost:
		k.exists = true
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"user":{"id":"u1"}}`)
	default:
		k.exists = k.exists && path != "users/u1"
		w.WriteHeader(http.StatusNoContent)
	}
}

func (k *keystone) seen() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := k.changes
	k.changes = nil
	return seen
}

// withAccounts opens a Storage with accounts, and returns them.
func withAccounts(t *testing.T, k *keystone, answer http.HandlerFunc) (*fake, stacksync.AccountProvisioner) {
	t.Helper()
	f := newFake(t, answer)
	f.strict, f.identity = false, k.serve // the account has a token, too
	s := openFake(t, f, func(c *swift.Config) { c.Accounts = &swift.Accounts{Project: "users", Role: "user"} })
	a, ok := stacksync.As[stacksync.AccountProvisioner](s)
	require.True(t, ok)
	return f, a
}

var alice = stacksync.PutAccountParams{Account: "alice", Secret: "the-secret-of-alice"}

// An account is made only where Swift has been seen to forbid it the Storage's own account.
func TestNewAccountIsTried(t *testing.T) {
	t.Parallel()
	made := []string{"POST users", "PUT projects/id-of-projects/users/u1/roles/id-of-roles"}
	for status, says := range map[int]string{
		http.StatusForbidden:           "",
		http.StatusNoContent:           `role "user" in project "users"`,
		http.StatusOK:                  `role "user" in project "users"`,
		http.StatusUnauthorized:        "does not take the user's token",
		http.StatusInsufficientStorage: "507",
	} {
		k := &keystone{}
		f, a := withAccounts(t, k, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		_, err := a.PutAccount(t.Context(), alice)
		_, requests := f.count()
		require.Equal(t, 1, requests)
		if says == "" {
			require.NoError(t, err)
			require.Equal(t, made, k.seen())
			continue
		}
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), string(alice.Secret))
		require.Equal(t, append(made[:2:2], "DELETE users/u1"), k.seen(), status)
	}
}

func TestNewAccountIsDeletedWhenTheCallerGivesUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k := &keystone{}
	_, a := withAccounts(t, k, func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	_, err := a.PutAccount(ctx, alice)
	require.ErrorIs(t, err, context.Canceled)
	require.Contains(t, k.seen(), "DELETE users/u1")
}

// An account that was there before is tried too, but once in a process.
func TestFormerAccountIsTried(t *testing.T) {
	t.Parallel()
	k := &keystone{exists: true}
	status := http.StatusNoContent
	f, a := withAccounts(t, k, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	for range 2 {
		_, err := a.PutAccount(t.Context(), alice)
		require.ErrorContains(t, err, "operator_roles")
		role := "projects/id-of-projects/users/id-of-users/roles/id-of-roles"
		require.Equal(t, []string{"PUT " + role, "DELETE " + role}, k.seen())
	}
	status = http.StatusForbidden
	for range 3 {
		_, err := a.PutAccount(t.Context(), alice)
		require.NoError(t, err)
	}
	_, requests := f.count()
	require.Equal(t, 2+1, requests)
}
