package backendtest

import (
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// accountReaderRevoked: who is not listed any more has no access, neither by a session that is open nor by a new one.
func accountReaderRevoked(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	f.put(c, "chunk")
	m := f.member()
	f.grant(c, m.reads())
	open := f.open(m, c)
	f.requireReads(open, "chunk")
	f.grant(c)
	f.requireShut(open, "chunk")
	f.requireShut(f.open(m, c), "chunk")
	f.grant(c, m.reads())
	f.requireReads(f.open(m, c), "chunk")
}

func accountWriterRevoked(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	m := f.member()
	f.grant(c, m.writes())
	open := f.open(m, c)
	f.requireWrites(open, "chunk")
	f.grant(c)
	f.requireShut(open, "chunk")
	f.requireShut(f.open(m, c), "chunk")
	f.grant(c, m.writes())
	f.requireWrites(f.open(m, c), "another")
}

func accountRevokedAlone(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	goes, stays := f.member(), f.member()
	f.grant(c, goes.writes(), stays.writes())
	gone, open := f.open(goes, c), f.open(stays, c)
	f.requireWrites(gone, "by who goes")
	f.requireWrites(open, "by who stays")
	f.grant(c, stays.writes())
	f.requireShut(gone, "by who goes", "by who stays")
	f.requireReads(open, "by who goes")
	f.requireWrites(open, "later")
	f.requireReads(f.open(stays, c), "later")
}

func accountDowngraded(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	m := f.member()
	f.grant(c, m.writes())
	open := f.open(m, c)
	f.requireWrites(open, "chunk")
	f.grant(c, m.reads())
	f.requireReadsOnly(open, "chunk")
	f.requireReadsOnly(f.open(m, c), "chunk")
	f.grant(c, m.writes())
	f.requireWrites(open, "upgraded")
}

// accountsAreApart: an account reaches the containers that it was granted, also if it knows where others are.
func accountsAreApart(t T, s Suite) {
	f := newTenancy(t, s)
	a, b := f.container(), f.container()
	longer := f.register(a + "-b")
	f.create(longer)
	for _, c := range []string{b, longer} {
		f.put(c, "chunk", "secret")
	}
	ofA, ofB := f.member(), f.member()
	f.grant(a, ofA.writes())
	f.grant(b, ofB.writes())
	f.grant(longer, ofB.writes())
	open := f.open(ofA, a)
	f.requireWrites(open, "chunk")
	f.requireShut(f.open(ofA, b), "chunk", "secret")
	f.requireShut(f.open(ofA, longer), "chunk", "secret")
	f.requireShut(f.open(ofB, a), "chunk")
	f.requireListsAtMost(open, "chunk")

	// A session at one container tries the objects of another one, and paths to it.
	for _, name := range []string{"chunk", "secret"} {
		object := f.locate(b, name).Objects[0]
		for _, path := range []string{object, "../" + b + "/" + object, "/" + b + "/" + object, b + "/" + object} {
			content, err := open.client.Get(f.Context(), path)
			if path == object && name == "chunk" {
				continue // its own chunk of that name
			}
			require.Error(f, err, "%q brings %.20q", path, content)
		}
	}
	err := open.client.Put(f.Context(), "../"+b+"/"+f.locate(b, "intruder").Objects[0], []byte("x"))
	f.Logf("put by a path to another container: %v", err) // what the storage may take is one of its own
	f.requireChunks(b, "chunk", "secret")
	f.requireReads(f.open(ofB, b), "secret")

	f.grant(b, ofA.reads(), ofB.writes())
	f.requireReads(f.open(ofA, b), "secret")
	f.grant(b, ofB.writes())
	f.requireShut(f.open(ofA, b), "chunk", "secret")
	f.requireReads(open, "chunk")
}

// accountUnknown: a grant to an account that does not exist is passed over, and does not come up when it is made.
func accountUnknown(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	f.put(c, "chunk")
	known, account := f.member(), f.account()
	unknown := member{account: account}
	f.grant(c, unknown.reads())
	f.grant(c, unknown.writes(), known.reads())
	f.requireReadsOnly(f.open(known, c), "chunk")
	unknown = f.putAccount(account, newSecret())
	f.grant(c, known.reads(), unknown.writes())
	f.requireWrites(f.open(unknown, c), "another")
	f.requireReads(f.open(known, c), "another")
}

func accountMissingContainer(t T, s Suite) {
	f := newTenancy(t, s)
	c, m := f.name(), f.member()
	for _, grants := range [][]stacksync.Grant{nil, {m.reads()}, {{Account: f.account(), Permission: stacksync.ReadWrite}}} {
		_, err := f.accounts.SetAccess(f.Context(), stacksync.SetAccessParams{Container: c, Grants: grants})
		require.ErrorIs(f, err, stacksync.ErrNotFound)
		require.NotErrorIs(f, err, stacksync.ErrChunkNotFound, "it is the container that is missing")
	}
	open := f.open(m, c)
	require.Error(f, open.get("chunk"))
	require.Error(f, open.put("chunk"))
	f.requireNothing(c, "chunk")
	f.create(c)
	f.put(c, "chunk")
	f.requireShut(f.open(m, c), "chunk")
}

// accountGrantsLast: nothing that the service does with chunks changes who has access.
func accountGrantsLast(t T, s Suite) {
	f := newTenancy(t, s)
	c, other := f.container(), f.container()
	reader, writer, outsider := f.member(), f.member(), f.member()
	f.grant(c, reader.reads(), writer.writes())
	f.grant(other, outsider.writes())
	f.put(c, "chunk", "deleted")
	f.put(other, "copied")
	f.create(c)
	f.copy(other, c, "copied")
	f.delete(c, "deleted")
	f.requireReadsOnly(f.open(reader, c), "chunk", "copied")
	f.requireReads(f.open(reader, c), "copied")
	f.requireShut(f.open(outsider, c), "chunk", "copied")
	f.requireWrites(f.open(writer, c), "written")
	f.requireReads(f.open(outsider, other), "copied")
}

// accountForeignObjects: what a client puts beside the chunks is no chunk, unless that is what a chunk of another name is called, and
// goes with the container.
func accountForeignObjects(t T, s Suite) {
	f := newTenancy(t, s)
	c := f.container()
	m := f.member()
	f.grant(c, m.writes())
	open := f.open(m, c)
	f.requireWrites(open, "chunk")
	accepted := map[string]bool{f.locate(c, "chunk").Objects[0]: true}
	for _, object := range []string{"FOREIGN", "_", ".hidden", "folder.d/file.txt", "chunk.part", "a\tb", "zzz\ttab", "~\t"} {
		if err := open.client.Put(f.Context(), object, []byte("x")); err != nil {
			f.Logf("put %q: %v", object, err)
			continue
		}
		accepted[object] = true
	}
	for _, limit := range []int{0, 1} { // by one, each of them is where a page ends
		for _, chunk := range f.list(c, limit, nil) {
			object := f.locate(c, chunk.Name).Objects[0]
			require.True(f, accepted[object], "chunk %q, which nobody has put, is listed", chunk.Name)
		}
	}
	f.requireReads(open, "chunk")
	_, err := f.DeleteContainer(f.Context(), stacksync.DeleteContainerParams{Container: c})
	require.NoError(f, err)
	f.requireNothing(c, "chunk")
	f.create(c)
	f.grant(c, m.writes())
	f.requireListsAtMost(f.open(m, c))
	f.requireNothing(c, "chunk")
}

// accountGrantsAtOnce: those who set access to several containers at once don't undo each other's work.
func accountGrantsAtOnce(t T, s Suite) {
	const count = 12
	f := newTenancy(t, s)
	m := f.member()
	containers := make([]string, count)
	for i := range containers {
		containers[i] = f.container()
	}
	set := func(grants ...stacksync.Grant) {
		f.Helper()
		require.NoError(f, inParallel(count, func(i int) error {
			_, err := f.accounts.SetAccess(f.Context(), stacksync.SetAccessParams{Container: containers[i], Grants: grants})
			return err
		}))
	}
	set(m.writes())
	sessions := make([]*session, count)
	for i, c := range containers {
		sessions[i] = f.open(m, c)
		f.requireWrites(sessions[i], "chunk")
	}
	set()
	for _, open := range sessions {
		f.requireShut(open, "chunk")
	}
}

// accountReopen: what one instance has made or granted, another one can change.
func accountReopen(t T, s Suite) {
	f := newTenancy(t, s)
	require.NotNil(f, f.reopen, "Instance.Reopen is nil")
	second := newTenancy(t, Suite{
		AccessBound: s.AccessBound, SecretBound: s.SecretBound,
		New: func(T) Instance { return Instance{Storage: f.reopen(), Dial: f.dial} },
	})
	c := f.container()
	f.put(c, "chunk")
	m := f.member()
	second.grant(c, m.writes())
	open := f.open(m, c)
	f.requireReads(open, "chunk")
	f.grant(c, m.reads())
	second.requireReadsOnly(second.open(m, c), "chunk")
	second.grant(c)
	f.requireShut(open, "chunk")
	f.grant(c, m.reads())
	m = second.putAccount(m.account, newSecret())
	f.requireReads(f.open(m, c), "chunk")
	second.deleteAccount(m)
	f.requireShutWithin(s.SecretBound, f.open(m, c), "chunk")
}
