package backendtest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/conformance"
)

// cloud is a back-end with all capabilities, whose methods can be changed.
type cloud struct {
	*broken
	objects *objects
	vault   *vault

	setOrigins    call[stacksync.SetOriginsParams, stacksync.SetOriginsResult]
	sign          call[stacksync.SignChunksParams, stacksync.SignChunksResult]
	putAccount    call[stacksync.PutAccountParams, stacksync.PutAccountResult]
	deleteAccount call[stacksync.DeleteAccountParams, stacksync.DeleteAccountResult]
	setAccess     call[stacksync.SetAccessParams, stacksync.SetAccessResult]
	locate        call[stacksync.LocateParams, stacksync.LocateResult]

	reopen func() stacksync.StorageProvisioner
}

func newCloud(t T, change func(*cloud)) *cloud {
	b := newMutant(func(*broken) {})
	c := &cloud{broken: b, objects: newObjects(t, b.Storage), vault: newVault(b.Storage)}
	c.sign, c.setOrigins = c.objects.sign, c.objects.setOrigins
	after(&c.create, func(p stacksync.CreateContainerParams, _ *stacksync.CreateContainerResult) {
		c.objects.allow(p.Container, cloudOrigins)
	})
	c.putAccount, c.deleteAccount, c.setAccess, c.locate = c.vault.putAccount, c.vault.deleteAccount, c.vault.setAccess, c.vault.locate
	c.reopen = func() stacksync.StorageProvisioner { return c }
	change(c)
	return c
}

// cloudSuite is the suite of a cloud with one fault.
func cloudSuite(change func(*cloud)) Suite {
	return Suite{Signs: true, Origins: cloudOrigins, Accounts: true, New: func(t T) Instance {
		c := newCloud(t, change)
		return Instance{Storage: c, Reopen: c.reopen, Dial: c.vault.dial}
	}}
}

func (c *cloud) SignChunks(ctx context.Context, p stacksync.SignChunksParams) (stacksync.SignChunksResult, error) {
	return c.sign(ctx, p)
}

// SetOrigins implements stacksync.OriginSetter.
func (c *cloud) SetOrigins(ctx context.Context, p stacksync.SetOriginsParams) (stacksync.SetOriginsResult, error) {
	return c.setOrigins(ctx, p)
}

func (c *cloud) PutAccount(ctx context.Context, p stacksync.PutAccountParams) (stacksync.PutAccountResult, error) {
	return c.putAccount(ctx, p)
}

func (c *cloud) DeleteAccount(ctx context.Context, p stacksync.DeleteAccountParams) (stacksync.DeleteAccountResult, error) {
	return c.deleteAccount(ctx, p)
}

func (c *cloud) SetAccess(ctx context.Context, p stacksync.SetAccessParams) (stacksync.SetAccessResult, error) {
	return c.setAccess(ctx, p)
}

func (c *cloud) Locate(ctx context.Context, p stacksync.LocateParams) (stacksync.LocateResult, error) {
	return c.locate(ctx, p)
}

// TestCloud: a back-end with all capabilities passes all checks.
func TestCloud(t *testing.T) {
	Run(t, cloudSuite(func(*cloud) {}))
}

// TestCloudMutants: each way to break the contract of a capability is found by the checks that are there for it.
func TestCloudMutants(t *testing.T) {
	for name, m := range cloudMutants() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, name := range m.caught {
				conformance.Run(t, cloudSuite(m.change), []check{checkNamed(t, name)}, map[string]string{name: "the mutant breaks it"})
			}
		})
	}
}

func cloudMutants() map[string]cloudMutant {
	all := map[string]cloudMutant{}
	for _, some := range []map[string]cloudMutant{signMutants, putMutants, accountMutants, accessMutants, linkMutants, originMutants} {
		for name, m := range some {
			if _, twice := all[name]; twice {
				panic("two mutants are called " + name)
			}
			all[name] = m
		}
	}
	return all
}

// cloudMutant is a good back-end with one fault.
type cloudMutant struct {
	caught []string
	change func(*cloud)
}

// TestCapabilities: a capability that is there without being declared, or the other way round, is found.
func TestCapabilities(t *testing.T) {
	for name, s := range map[string]Suite{
		"signs, undeclared":        {Accounts: true, Origins: cloudOrigins},
		"accounts, undeclared":     {Signs: true, Origins: cloudOrigins},
		"origins, undeclared":      {Signs: true, Accounts: true},
		"nothing declared":         {},
		"signs, but can't":         {Signs: true, New: func(T) Instance { return Instance{Storage: newMutant(func(*broken) {})} }},
		"has accounts, but hasn't": {Accounts: true, New: func(T) Instance { return Instance{Storage: newMutant(func(*broken) {})} }},
	} {
		if s.New == nil {
			s.New = cloudSuite(func(*cloud) {}).New
		}
		t.Run(name, func(t *testing.T) {
			conformance.Run(t, s, []check{checkNamed(t, "Capabilities")}, map[string]string{"Capabilities": "the mutant breaks it"})
		})
	}
}

// TestChecksOfCapabilities: what is not declared is not run at all.
func TestChecksOfCapabilities(t *testing.T) {
	require.Len(t, checksOf(Suite{}), len(checks))
	require.Len(t, checksOf(Suite{Signs: true}), len(checks)+len(signedChecks))
	require.Len(t, checksOf(Suite{Accounts: true}), len(checks)+len(accountChecks))
	require.Len(t, checksOf(Suite{Signs: true, Origins: cloudOrigins}), len(checks)+len(signedChecks)+len(originChecks))
	require.Len(t, checksOf(Suite{Signs: true, Accounts: true}), len(checks)+len(signedChecks)+len(accountChecks))
}
