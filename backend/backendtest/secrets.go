package backendtest

import (
	"errors"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// accountSameSecret: putting an account that is as it should be disturbs nobody.
func accountSameSecret(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	m := f.member()
	f.grant(c, m.writes())
	open := f.open(m, c)
	f.requireWrites(open, "before")
	again := f.putAccount(m.account, m.secret)
	require.Equal(f, m.login, again.login)
	require.NoError(f, open.get("before"))
	require.NoError(f, open.put("after"))
	f.requireReads(f.open(again, c), "after")
	r, err := f.accounts.PutAccount(f.Context(), stacksync.PutAccountParams{Account: m.account, Secret: m.secret, IfExists: true})
	require.NoError(f, err)
	require.Equal(f, m.login, r.Login)
	require.NoError(f, open.get("after"))
	f.requireChunks(c, "before", "after")
}

// accountNewSecret: the former secret opens nothing, and what it has opened is shut.
func accountNewSecret(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	f.put(c, "chunk")
	for _, ifExists := range []bool{false, true} {
		former := f.member()
		f.grant(c, former.writes())
		open := f.open(former, c)
		f.requireReads(open, "chunk")
		now := member{account: former.account, login: former.login, secret: newSecret()}
		r, err := f.accounts.PutAccount(f.Context(), stacksync.PutAccountParams{Account: now.account, Secret: now.secret, IfExists: ifExists})
		require.NoError(f, err)
		require.Equal(f, former.login, r.Login)
		f.requireReads(f.open(now, c), "chunk")
		f.requireEnds(open)
		f.requireShutWithin(s.SecretBound, f.open(former, c), "chunk")
		f.requireReads(f.open(now, c), "chunk")
	}
}

// requireEnds checks that a session stops working. How it does is the protocol's affair: a connection may just be closed.
func (f *tenancy) requireEnds(open *session) {
	f.Helper()
	within(f, f.suite.SecretBound, func() error {
		if open.get("chunk") == nil {
			return errors.New("the session goes on")
		}
		return nil
	})
	require.Error(f, open.put("intruder"))
	require.Error(f, open.list())
	f.requireChunks(open.container, "chunk")
}

func accountIfExists(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	f.put(c, "chunk")
	m := member{account: f.account(), secret: newSecret()}
	f.grant(c, m.reads())
	r, err := f.accounts.PutAccount(f.Context(), stacksync.PutAccountParams{Account: m.account, Secret: m.secret, IfExists: true})
	require.NoError(f, err)
	m.login = r.Login
	if m.login == "" { // the storage names only accounts that it has
		m.login = m.account
	}
	f.requireShut(f.open(m, c), "chunk")
	m = f.putAccount(m.account, m.secret)
	f.grant(c, m.reads())
	f.requireReads(f.open(m, c), "chunk")
}

func accountDeleted(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	f.put(c, "chunk")
	m, stays := f.member(), f.member()
	f.grant(c, m.writes(), stays.writes())
	open := f.open(m, c)
	f.requireReads(open, "chunk")
	f.deleteAccount(m)
	f.requireEnds(open)
	f.requireShutWithin(s.SecretBound, f.open(m, c), "chunk")
	f.deleteAccount(m)
	f.grant(c, m.writes(), stays.writes())
	f.requireShut(f.open(m, c), "chunk")
	f.requireReads(f.open(stays, c), "chunk")
	f.deleteAccount(member{account: f.account()})
}

// accountMadeAgain: an account that is made again under a former name is another one's, who may find the grants of the former one, but
// whose secret the former owner does not have.
func accountMadeAgain(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	f.put(c, "chunk")
	former := f.member()
	f.grant(c, former.writes())
	open := f.open(former, c)
	f.requireReads(open, "chunk")
	f.deleteAccount(former)
	now := f.putAccount(former.account, newSecret())
	f.requireEnds(open)
	f.requireShutWithin(s.SecretBound, f.open(former, c), "chunk")
	f.grant(c)
	f.requireShut(f.open(now, c), "chunk")
	f.grant(c, now.writes())
	f.requireWrites(f.open(now, c), "another")
	f.requireShutWithin(s.SecretBound, f.open(former, c), "chunk", "another")
}
