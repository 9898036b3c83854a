package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// accountChecks are run with Suite.Accounts.
var accountChecks = []check{
	{Name: "AccountNew", Run: accountNew},
	{Name: "AccountRead", Run: accountRead},
	{Name: "AccountReadWrite", Run: accountReadWrite},
	{Name: "AccountAndService", Run: accountAndService},
	{Name: "AccountNames", Run: accountNames},
	{Name: "AccountLocate", Run: accountLocate},
	{Name: "AccountSecrets", Run: accountSecrets},
	{Name: "AccountBadParams", Run: accountBadParams},
	{Name: "AccountCancelled", Run: accountCancelled},

	{Name: "AccountReaderRevoked", Run: accountReaderRevoked},
	{Name: "AccountWriterRevoked", Run: accountWriterRevoked},
	{Name: "AccountRevokedAlone", Run: accountRevokedAlone},
	{Name: "AccountDowngraded", Run: accountDowngraded},
	{Name: "AccountsAreApart", Run: accountsAreApart},
	{Name: "AccountUnknown", Run: accountUnknown},
	{Name: "AccountMissingContainer", Run: accountMissingContainer},
	{Name: "AccountGrantsLast", Run: accountGrantsLast},
	{Name: "AccountForeignObjects", Run: accountForeignObjects},
	{Name: "AccountLinks", Run: accountLinks},
	{Name: "AccountsAtOnce", Run: accountsAtOnce},
	{Name: "AccountGrantsAtOnce", Run: accountGrantsAtOnce},
	{Name: "AccountReopen", Run: accountReopen},

	{Name: "AccountSameSecret", Run: accountSameSecret},
	{Name: "AccountNewSecret", Run: accountNewSecret},
	{Name: "AccountIfExists", Run: accountIfExists},
	{Name: "AccountDeleted", Run: accountDeleted},
	{Name: "AccountMadeAgain", Run: accountMadeAgain},
}

// accountNew: an account that was granted nothing reaches nothing.
func accountNew(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	f.put(c, "chunk")
	m := f.member()
	f.requireShut(f.open(m, c), "chunk")
	f.grant(c, m.reads())
	f.requireReads(f.open(m, c), "chunk")
}

func accountRead(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	f.put(c, "chunk", "a/b")
	m := f.member()
	f.grant(c, m.reads())
	f.requireReadsOnly(f.open(m, c), "chunk", "a/b")
}

func accountReadWrite(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	m := f.member()
	f.grant(c, m.writes())
	open := f.open(m, c)
	f.requireWrites(open, "first")
	f.requireReads(open, "first")
	f.requireWrites(open, "second")
	f.requireListsAtMost(open, "first", "second")
	f.requireChunks(c, "first", "second")
}

// accountAndService: each reads what the other has written, of any size.
func accountAndService(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	m := f.member()
	f.grant(c, m.writes())
	open := f.open(m, c)
	f.put(c, "by the service")
	f.requireReads(open, "by the service")
	for _, size := range []int{0, 1, 3 << 20} {
		name := fmt.Sprintf("size-%d", size)
		content := strings.Repeat("x", size)
		object := f.locate(c, name).Objects[0]
		require.NoError(f, open.client.Put(f.Context(), object, []byte(content)))
		require.Equal(f, map[string]int64{name: int64(size)}, f.stat(c, name))
		got, err := f.read(c, name)
		require.NoError(f, err)
		require.Equal(f, digest(content), digest(got), "what the service reads")
		back, err := open.client.Get(f.Context(), object)
		require.NoError(f, err)
		require.Equal(f, digest(content), digest(string(back)), "what the client reads")
	}
	f.delete(c, "by the service", "size-1")
	require.Error(f, open.get("by the service"), "the service has deleted it")
	require.Len(f, f.list(c, 0, nil), 2)
}

func accountNames(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	m := f.member()
	f.grant(c, m.writes())
	open := f.open(m, c)
	n := oddNamesOfClients()
	byClient, byService := n[:len(n)/2], n[len(n)/2:]
	f.put(c, byService...)
	for _, name := range byClient {
		require.NoError(f, open.put(name), "%q", name)
	}
	f.requireChunks(c, n...)
	for _, name := range n {
		require.NoError(f, open.get(name), "%q", name)
	}
	f.requireListsAtMost(open, n...)
}

func accountLocate(t T, s Suite) {
	f := newTenancy(t, s)
	n := append(oddNamesOfClients(), names("located", 1_000)...)
	c, other := f.container(), f.name() // whether a container exists is not looked at
	objects := map[string]string{}
	for _, c := range []string{c, other} {
		r := f.locate(c, n...)
		require.NotEmpty(f, r.Location.Protocol)
		for i, object := range r.Objects {
			require.NotEmpty(f, object, "%q", n[i])
			place := fmt.Sprint(r.Location, object)
			require.Empty(f, objects[place], "%q of %s is where another chunk is", n[i], c)
			objects[place] = c + n[i]
		}
		require.Equal(f, r, f.locate(c, n...), "it is somewhere else")
	}
	require.Empty(f, f.locate(c).Objects)
	require.Equal(f, f.locate(c, "a", "a").Objects[0], f.locate(c, "a", "a").Objects[1])
}

// accountSecrets: every secret that the contract allows is one that the storage takes whole.
func accountSecrets(t T, s Suite) {
	const all stacksync.Secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	f := newTenancy(t, s)
	c := f.container()
	f.put(c, "chunk")
	for _, secret := range []stacksync.Secret{all, "-" + all[1:16], "_" + all[48:], "0000000000000000"} {
		require.LessOrEqual(f, len(secret), 64)
		m := f.putAccount(f.account(), secret)
		f.grant(c, m.reads())
		f.requireReads(f.open(m, c), "chunk")
		m.secret = secret[:len(secret)-1] + "x"
		f.requireShut(f.open(m, c), "chunk")
	}
}

func accountBadParams(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	f.put(c, "chunk")
	m := f.member()
	f.grant(c, m.reads())
	for _, bad := range []string{"", "-", "A", "a_b", "a/b", "a:b", "a,b", "a b", "*", "a\n", "../a", `a"`, "ä", strings.Repeat("a", 64)} {
		_, err := f.accounts.PutAccount(f.Context(), stacksync.PutAccountParams{Account: bad, Secret: newSecret()})
		f.requireField(err, "Account")
		_, err = f.accounts.DeleteAccount(f.Context(), stacksync.DeleteAccountParams{Account: bad})
		f.requireField(err, "Account")
		_, err = f.accounts.SetAccess(f.Context(), stacksync.SetAccessParams{Container: bad})
		f.requireField(err, "Container")
		_, err = f.accounts.Locate(f.Context(), stacksync.LocateParams{Container: bad})
		f.requireField(err, "Container")
		_, err = f.accounts.SetAccess(f.Context(), stacksync.SetAccessParams{
			Container: c, Grants: []stacksync.Grant{m.writes(), {Account: bad, Permission: stacksync.Read}},
		})
		f.requireField(err, "Grants[1].Account")
	}
	for _, bad := range []stacksync.Secret{"", "123456789012345", "0123456789abcde ", "0123456789abcde\n", "0123456789abcde:", "0123456789abcdeé", stacksync.Secret(strings.Repeat("a", 65))} {
		_, err := f.accounts.PutAccount(f.Context(), stacksync.PutAccountParams{Account: m.account, Secret: bad})
		f.requireField(err, "Secret")
		if len(bad) > 1 {
			require.NotContains(f, err.Error(), string(bad), "the secret is in the error")
		}
	}
	_, err := f.accounts.SetAccess(f.Context(), stacksync.SetAccessParams{Container: c, Grants: []stacksync.Grant{m.writes(), m.writes()}})
	f.requireField(err, "Grants[1].Account")
	for _, bad := range []stacksync.Permission{0, 3, 255} {
		_, err := f.accounts.SetAccess(f.Context(), stacksync.SetAccessParams{
			Container: c, Grants: []stacksync.Grant{{Account: m.account, Permission: bad}},
		})
		f.requireField(err, "Grants[0].Permission")
	}
	for _, bad := range unprintable {
		_, err := f.accounts.Locate(f.Context(), stacksync.LocateParams{Container: c, Names: []string{"good", bad}})
		f.requireField(err, "Names[1]")
	}
	f.requireReadsOnly(f.open(m, c), "chunk")
}

func accountCancelled(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	f.put(c, "chunk")
	m := f.member()
	f.grant(c, m.reads())
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	_, err := f.accounts.PutAccount(ctx, stacksync.PutAccountParams{Account: m.account, Secret: newSecret()})
	require.ErrorIs(f, err, context.Canceled)
	_, err = f.accounts.DeleteAccount(ctx, stacksync.DeleteAccountParams{Account: m.account})
	require.ErrorIs(f, err, context.Canceled)
	_, err = f.accounts.SetAccess(ctx, stacksync.SetAccessParams{Container: c})
	require.ErrorIs(f, err, context.Canceled)
	_, err = f.accounts.Locate(ctx, stacksync.LocateParams{Container: c})
	require.ErrorIs(f, err, context.Canceled)
	f.requireReads(f.open(m, c), "chunk")
}

// accountsAtOnce: whoever makes an account and then sets the access is on the list, and those before, in whatever order the calls end.
func accountsAtOnce(t T, s Suite) {
	const count = 20
	f := newTenancy(t, s)
	c := f.container()
	f.put(c, "shared")
	members, grants := make([]member, count), make([]stacksync.Grant, count)
	for i := range members {
		members[i] = member{account: f.account(), secret: newSecret()}
		grants[i] = members[i].writes()
	}
	require.NoError(f, inParallel(count, func(i int) error {
		r, err := f.accounts.PutAccount(f.Context(), stacksync.PutAccountParams{Account: members[i].account, Secret: members[i].secret})
		if err != nil {
			return err
		}
		members[i].login = r.Login
		_, err = f.accounts.SetAccess(f.Context(), stacksync.SetAccessParams{Container: c, Grants: grants})
		return err
	}))
	sessions := make([]*session, count)
	for i, m := range members {
		sessions[i] = f.open(m, c)
		f.requireReads(sessions[i], "shared")
	}
	own := names("own", count)
	require.NoError(f, inParallel(count, func(i int) error {
		return errors.Join(sessions[i].put(own[i]), sessions[i].get("shared"), sessions[i].get(own[i]))
	}))
	require.NoError(f, inParallel(count, func(i int) error { return sessions[i].get(own[(i+1)%count]) }))
	f.requireChunks(c, append(own, "shared")...)
}
