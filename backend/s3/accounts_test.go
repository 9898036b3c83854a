package s3_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
	"github.com/stacksync/stacksync-go/internal/versitygw"
)

// wrapper hides what the interface does not have, as a host's own wrapper does.
type wrapper struct{ stacksync.StorageProvisioner }

func (w wrapper) Unwrap() stacksync.StorageProvisioner { return w.StorageProvisioner }

func TestAs(t *testing.T) {
	t.Parallel()
	own := s3.Config{Endpoint: "nowhere.invalid", AccessKey: "a", SecretKey: "s", BucketPrefix: "b-"}
	s, err := s3.New(own)
	require.NoError(t, err)
	_, ok := stacksync.As[stacksync.AccountProvisioner](wrapper{s})
	require.False(t, ok, "no users")
	_, ok = stacksync.As[stacksync.ChunkSigner](wrapper{s})
	require.True(t, ok)
	with, err := s.WithUsers(&versitygw.Server{})
	require.NoError(t, err)
	a, ok := stacksync.As[stacksync.AccountProvisioner](wrapper{wrapper{with}})
	require.True(t, ok)
	require.Same(t, with, a)
	for _, has := range []bool{has[stacksync.ChunkWriter](with), has[stacksync.ChunkReader](with), has[stacksync.ChunkSigner](with)} {
		require.True(t, has)
	}

	_, err = s.WithUsers(nil)
	require.ErrorIs(t, err, stacksync.ErrInvalid)
	own.Bucket, own.BucketPrefix = "bucket", ""
	s, err = s3.New(own)
	require.NoError(t, err)
	_, err = s.WithUsers(&versitygw.Server{})
	require.ErrorIs(t, err, stacksync.ErrInvalid)
	require.ErrorContains(t, err, "BucketPrefix")
}

func has[T any](s stacksync.StorageProvisioner) bool {
	_, ok := stacksync.As[T](s)
	return ok
}

// everybody is a server where all users exist.
type everybody struct{ s3.Users }

func (everybody) Principals(_ context.Context, names []string) (map[string]string, error) {
	principals := map[string]string{}
	for _, name := range names {
		principals[name] = name
	}
	return principals, nil
}

func TestPolicyLimit(t *testing.T) {
	t.Parallel()
	s, m, _ := throughMiddle(t, ownBuckets(server(t)))
	a, err := s.WithUsers(everybody{})
	require.NoError(t, err)
	var policy string
	m.set(func(r *http.Request) (*answer, error) {
		if what(r) == "policy" {
			text, err := io.ReadAll(r.Body)
			policy = string(text)
			return refusal(r, http.StatusNoContent, "", ""), err
		}
		return nil, nil
	}, nil)
	var p stacksync.SetAccessParams
	p.Container = container
	for i := range 600 {
		p.Grants = append(p.Grants, stacksync.Grant{Account: fmt.Sprintf("u-%026d", i), Permission: stacksync.Permission(1 + i%2)})
	}
	res, err := a.SetAccess(t.Context(), p)
	require.NoError(t, err)
	require.Empty(t, res.Omitted, "600 names of 28 characters")
	for i := range p.Grants {
		p.Grants[i].Account += "-0000000000"
	}
	res, err = a.SetAccess(t.Context(), p)
	require.NoError(t, err)
	listed := len(p.Grants) - len(res.Omitted)
	require.Greater(t, listed, 450)
	require.Less(t, listed, 500)
	for i, g := range p.Grants {
		require.Equal(t, i >= listed, slices.Contains(res.Omitted, g.Account), "the first ones are listed")
		require.Equal(t, i < listed, strings.Contains(policy, `"`+g.Account+`"`))
	}
}

// TestDeletedWhileGranting: an account that goes between two steps of SetAccess is passed over as one that never was.
func TestDeletedWhileGranting(t *testing.T) {
	t.Parallel()
	gateway := server(t)
	s, m, _ := throughMiddle(t, ownBuckets(gateway))
	a, err := s.WithUsers(gateway)
	require.NoError(t, err)
	stays, goes := fresh(), fresh()
	for _, name := range []string{stays, goes} {
		_, err := a.PutAccount(t.Context(), stacksync.PutAccountParams{Account: name, Secret: stacksync.Secret(strings.Repeat("s", 16))})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, gateway.DeleteUser(context.Background(), name)) })
	}
	var n atomic.Int32
	m.set(func(r *http.Request) (*answer, error) {
		if what(r) == "policy" && n.Add(1) == 1 {
			return nil, gateway.DeleteUser(r.Context(), goes)
		}
		return nil, nil
	}, nil)
	p := stacksync.SetAccessParams{Container: container, Grants: []stacksync.Grant{{Account: goes, Permission: stacksync.Read}, {Account: stays, Permission: stacksync.Read}}}
	_, err = a.SetAccess(t.Context(), p)
	require.NoError(t, err)
	require.EqualValues(t, 2, n.Load())
}
