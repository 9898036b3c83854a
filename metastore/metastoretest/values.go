package metastoretest

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func valueChecks() []check {
	return []check{
		{Name: "strings come back byte for byte", Run: stringValues},
		{Name: "times are kept to the microsecond, in UTC, over years 1 to 9999", Run: timeValues},
		{Name: "64-bit numbers come back at their extremes", Run: intValues},
		{Name: "every kind, status, role and state comes back", Run: enumValues},
		{Name: "ids of any bytes come back", Run: idValues},
		{Name: "zero values and empty lists come back empty", Run: emptyValues},
		{Name: "names are compared by their bytes", Run: nameBytes},
	}
}

// lookalikes are strings that a database may take for equal, or can't compare alike: only their bytes tell them apart.
func lookalikes() []string {
	return []string{
		"a", "A", "\u00e1", "a\u0301", "\u00c1", "\uff41", "a ", " a", "a\u00a0", "ss", "\u00df", "\u1e9e", "i", "I", "\u0131", "\u0130",
		"\u2126", "\u03a9", "\ufb01", "fi", "1", "01", "1.0", "\uff11", "e\u0301", "E\u0301", "\u00e9", "\u00c9",
		"\ufffd", "\U00010000", "\U0001f600", "\U0001f600\ufe0f", "\ue000", "a\u200d", "a\u00ad",
	}
}

// oddStrings are strings that quoting, patterns or placeholders may trip over.
func oddStrings() []string {
	return []string{
		`'`, `''`, `"`, "`", `\`, `\\`, `\'`, `\x41`, `\u0041`, `%`, `%%`, `%s`, `%00`, `%zz`, `_`, `*`, `?`, `??`, `$1`, `@p1`, `:name`, `{}`, `[0]`,
		`--`, `-- comment`, `/*`, `;`, `'; DROP TABLE items; --`, `NULL`, `null`, `true`, `0x1F`, `1e3`, `NaN`, `infinity`, `now`, "{\"json\":1}",
		"\x01", "\x1f", "\x7f", "\b\f\v", "\r\n", "\n", "\u0085", "\u2028", "\ufeff", "\u202eabc", "👩\u200d👩\u200d👧", "日本語", "العربية", "<&>",
		strings.Repeat("n", 255), strings.Repeat("é", 127), strings.Repeat("n", 254) + "N",
	}
}

func stringValues(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	var p stacksync.PutParams
	for _, v := range append(lookalikes(), oddStrings()...) {
		u := r.user()
		d, w := r.device(u.ID), r.workspace(u.ID)
		d.Name, w.Container = v, v
		m := r.member(w.ID, u.ID, stacksync.Owner)
		m.MountName, m.SealedKey = v, v
		op := r.operation(w.ID, u.ID)
		op.Kind, op.Step, op.Error, op.Data = stacksync.OperationKind(v), v, v, jsonOf(t, v)
		row := r.file(w.ID, stacksync.ItemID{})
		row.Name, row.NameKey, row.Checksum, row.MediaType, row.User = v, v, v, v, u.ID
		row.Attrs = map[string]string{v: v, "": "", "nested.key": v, "long": strings.Repeat(v+" ", 40)}
		p.Users, p.Devices, p.Workspaces = append(p.Users, u), append(p.Devices, d), append(p.Workspaces, w)
		p.Members, p.Items, p.Operations = append(p.Members, m), append(p.Items, row), append(p.Operations, op)
	}
	for i := byte(0x20); i <= 0x7e; i++ { // what a chunk's name is made of
		c := r.chunk(h.id())
		c.Name = string(i)
		long := r.chunk(h.id())
		long.Name = strings.Repeat(string(i), 255)
		p.Chunks = append(p.Chunks, c, long)
		p.Items[0].Chunks = append(p.Items[0].Chunks, c.Chunk, long.Chunk)
	}
	r.saveAndRead(p, func(l look) {
		const promise = "strings come back byte for byte"
		var chunks []stacksync.ChunkKey
		for _, c := range p.Chunks {
			chunks = append(chunks, chunkKeyOf(c))
		}
		loaded := l.load(stacksync.LoadParams{Items: itemKeys(p.Items...), Chunks: chunks})
		sameSet(t, promise, p.Items, loaded.Items)
		sameSet(t, promise, p.Chunks, loaded.Chunks)
		sameSet(t, promise, p.Operations, l.operations(stacksync.OperationsParams{IDs: operationIDs(p.Operations...), Limit: len(p.Operations)}))
		for i, u := range p.Users {
			sameList(t, promise, p.Users[i:i+1], l.users(u.ID))
			sameList(t, promise, p.Devices[i:i+1], l.devices(u.ID))
			sameList(t, promise, p.Members[i:i+1], l.memberships(u.ID).Members)
			sameList(t, promise, p.Members[i:i+1], l.members(p.Workspaces[i].ID))
			sameList(t, promise, p.Workspaces[i:i+1], l.memberships(u.ID).Workspaces)
		}
	})
}

// jsonOf returns v as JSON, with spaces and an order of keys that not all who parse it keep.
func jsonOf(t tester, v string) string {
	t.Helper()
	quoted, err := json.Marshal(v)
	require.NoError(t, err)
	return fmt.Sprintf(` { "z" : 1.0,"a":%s, "a":"\u0000" } `, quoted)
}

// nameBytes looks up each of many look-alike names on its own: Children's order is a check among the pages.
func nameBytes(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	var rows []stacksync.ItemRow
	for _, key := range append(lookalikes(), oddStrings()...) {
		row := r.file(h.id(), stacksync.ItemID{})
		row.NameKey = key
		rows = append(rows, row)
	}
	r.saveAndRead(putItems(rows...), func(l look) {
		for _, row := range rows {
			sameSet(t, fmt.Sprintf("strings are compared by their bytes: %q is held by one item", row.NameKey),
				[]stacksync.ItemRow{row}, l.named(nameKeyOf(row)))
		}
		require.Empty(t, l.named(stacksync.NameKey{Workspace: h.id(), Key: "a%"}), "a name key is no pattern")
	})
}

func timeValues(t T, s Suite) {
	r := newRig(t, s)
	zone := time.FixedZone("somewhere", 5*3600+1800)
	for _, at := range []time.Time{
		{},
		time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC),
		time.Date(1582, 10, 10, 12, 0, 0, 0, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Unix(0, 0),
		time.Unix(0, 1000).UTC(),
		time.Date(2024, 2, 29, 1, 2, 3, 123_456_000, zone),
		time.Date(2024, 2, 29, 1, 2, 3, 123_456_789, time.UTC),
		time.Date(2262, 4, 12, 0, 0, 0, 0, time.UTC), // past the range of nanoseconds since 1970
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	} {
		u := r.user()
		u.CreatedAt, u.HintDue = at, at
		d, w := r.device(u.ID), r.workspace(u.ID)
		d.CreatedAt, w.CreatedAt, w.HintDue, w.FrozenUntil = at, at, at, at
		m, row := r.member(w.ID, u.ID, stacksync.Owner), r.file(w.ID, stacksync.ItemID{})
		m.JoinedAt, row.ModifiedAt, row.CommittedAt = at, at, at
		op := r.operation(w.ID, u.ID)
		op.CreatedAt, op.UpdatedAt, op.Due = at, at, at
		p := stacksync.PutParams{
			Users: []stacksync.User{u}, Devices: []stacksync.Device{d}, Workspaces: []stacksync.Workspace{w}, Members: []stacksync.Member{m},
			Items: []stacksync.ItemRow{row}, Superseded: []stacksync.ItemRow{row}, Operations: []stacksync.Operation{op},
		}
		r.saveAndRead(p, func(l look) {
			loaded := l.load(stacksync.LoadParams{
				Access: []stacksync.AccessKey{accessKey(w.ID, u.ID, d.ID)},
				Items:  itemKeys(row), Versions: []stacksync.VersionKey{versionKeyOf(row)},
			})
			item, older := only(t, loaded.Items), only(t, loaded.Versions)
			op := only(t, l.operations(stacksync.OperationsParams{IDs: operationIDs(op), Limit: 1}))
			for field, got := range map[string]time.Time{
				"User.HintDue":             only(t, loaded.Owners).HintDue,
				"Workspace.FrozenUntil":    only(t, loaded.Workspaces).FrozenUntil,
				"Operation.CreatedAt":      op.CreatedAt,
				"Operation.UpdatedAt":      op.UpdatedAt,
				"Operation.Due":            op.Due,
				"User.CreatedAt":           only(t, loaded.Owners).CreatedAt,
				"Device.CreatedAt":         only(t, loaded.Devices).CreatedAt,
				"Workspace.CreatedAt":      only(t, loaded.Workspaces).CreatedAt,
				"Workspace.HintDue":        only(t, loaded.Workspaces).HintDue,
				"Member.JoinedAt":          only(t, loaded.Members).JoinedAt,
				"Item.ModifiedAt":          item.ModifiedAt,
				"Item.CommittedAt":         item.CommittedAt,
				"Item.ModifiedAt (older)":  older.ModifiedAt,
				"Item.CommittedAt (older)": older.CommittedAt,
			} {
				requireTime(t, field, at, got)
			}
		})
	}
}

// only returns the one row that there must be.
func only[R any](t tester, rows []R) (row R) {
	t.Helper()
	require.Len(t, rows, 1)
	return rows[0]
}

func requireTime(t T, field string, want, got time.Time) {
	t.Helper()
	off := got.Sub(want)
	require.Less(t, off.Abs(), time.Microsecond, "%s: times are kept to the microsecond: want %v, got %v", field, want, got)
	require.Equal(t, time.UTC, got.Location(), "%s: times are in UTC", field)
	require.Equal(t, want.IsZero(), got.IsZero(), "%s: the zero time, and only that, comes back as the zero time: %v", field, got)
}

func intValues(t T, s Suite) {
	r := newRig(t, s)
	for _, n := range []int64{0, 1, math.MaxInt32, math.MaxInt32 + 1, 1<<53 + 1, math.MaxInt64 - 1, math.MaxInt64} {
		u := r.user()
		u.QuotaLimit, u.QuotaUsed, u.Revision, u.Notified = n, n, n, n
		u = kept(u)
		w := r.workspace(u.ID)
		w.Revision, w.Size, w.Floor, w.Notified, w.KeyGeneration, w.Epoch = n, n, n, n, n, -n-1 // an epoch is any number
		w = kept(w)
		row, c := r.file(w.ID, stacksync.ItemID{}), r.chunk(w.ID)
		row.Size, row.Version, row.Revision, c.Size = n, max(n, 1), max(n, 1), n
		row.Chunks = []stacksync.Chunk{c.Chunk}
		m, op := r.member(w.ID, u.ID, stacksync.Owner), r.operation(w.ID, u.ID)
		m.KeyGeneration, op.Done, op.Total, op.Fence, op.Tries = n, n, n, n, int(min(n, math.MaxInt32))
		p := stacksync.PutParams{
			Users: []stacksync.User{u}, Workspaces: []stacksync.Workspace{w}, Items: []stacksync.ItemRow{row}, Chunks: []stacksync.ChunkRow{c},
			Members: []stacksync.Member{m}, Operations: []stacksync.Operation{op},
		}
		r.saveAndRead(p, func(l look) {
			promise := fmt.Sprintf("numbers have 64 bits: %d", n)
			loaded := l.load(stacksync.LoadParams{
				Access: []stacksync.AccessKey{accessKey(w.ID, u.ID, stacksync.DeviceID{})}, Items: itemKeys(row),
				Chunks: []stacksync.ChunkKey{chunkKeyOf(c)},
			})
			sameAccess(t, promise, stacksync.AccessRows{Workspaces: p.Workspaces, Owners: p.Users, Members: p.Members}, loaded.AccessRows)
			sameList(t, promise, p.Operations, l.operations(stacksync.OperationsParams{IDs: operationIDs(op), Limit: 1}))
			sameSet(t, promise, p.Items, loaded.Items)
			sameSet(t, promise, p.Chunks, loaded.Chunks)
			after := stacksync.ChangesParams{Workspace: w.ID, After: row.Revision - 1, PageBound: stacksync.PageBound{Limit: 10}}
			sameList(t, promise, p.Items, l.changes(after).Items)
			after.After = row.Revision
			require.Empty(t, l.changes(after).Items, promise)
			sameList(t, promise, p.Items, l.versions(stacksync.VersionsParams{Workspace: w.ID, Item: row.ID, PageBound: stacksync.PageBound{Limit: 10}}))
		})
	}
}

func enumValues(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	var p stacksync.PutParams
	for status := stacksync.StatusNew; status <= stacksync.StatusDeleted; status++ {
		for _, kind := range []stacksync.Kind{stacksync.File, stacksync.Folder} {
			row := r.item(h.id(), stacksync.ItemID{}, kind)
			row.Status = status
			p.Items = append(p.Items, row)
		}
	}
	for role := stacksync.Viewer; role <= stacksync.Owner; role++ {
		u := r.user()
		p.Users = append(p.Users, u)
		p.Members = append(p.Members, r.member(h.id(), u.ID, role))
	}
	for state := stacksync.OperationRunning; state <= stacksync.OperationUndone; state++ {
		op := r.operation(h.id(), h.user.ID)
		op.State = state
		p.Operations = append(p.Operations, op)
	}
	r.saveAndRead(p, func(l look) {
		sameSet(t, "kinds and statuses are stored by their numbers", p.Items, l.items(itemKeys(p.Items...)...))
		sameSet(t, "states are stored by their numbers", p.Operations, l.operations(stacksync.OperationsParams{IDs: operationIDs(p.Operations...), Limit: 10}))
		for i, m := range p.Members {
			sameList(t, "roles are stored by their numbers", p.Members[i:i+1], l.memberships(m.User).Members)
		}
	})
}

func idValues(t T, s Suite) {
	r := newRig(t, s)
	u := r.user()
	r.save(stacksync.PutParams{Users: []stacksync.User{u}})
	for i, id := range []uuid.UUID{
		uuid.Max, {15: 1}, {0: 0x80}, {0: 0x7f, 15: 0xff}, {8: 0xff}, uuid.MustParse("00272700-5c5c-2525-3f3f-2d2d3b3b0a0d"),
	} {
		w, d := r.workspace(u.ID), r.device(u.ID)
		w.ID.UUID, d.ID.UUID = id, id
		m, row := r.member(w.ID, u.ID, stacksync.Owner), r.file(w.ID, stacksync.ItemID{UUID: id})
		m.MountParent.UUID, row.Device.UUID, w.Folder.UUID, row.MovedTo.UUID = id, id, id, id
		op := r.operation(w.ID, u.ID)
		op.ID.UUID, op.Source.UUID = id, id
		p := stacksync.PutParams{
			Devices: []stacksync.Device{d}, Workspaces: []stacksync.Workspace{w}, Members: []stacksync.Member{m}, Items: []stacksync.ItemRow{row},
			Operations: []stacksync.Operation{op},
		}
		r.saveAndRead(p, func(l look) {
			promise := fmt.Sprintf("an id is any 16 bytes (%d)", i)
			loaded := l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{accessKey(w.ID, u.ID, d.ID)}, Items: itemKeys(row)})
			sameAccess(t, promise, stacksync.AccessRows{
				Workspaces: p.Workspaces, Owners: []stacksync.User{u}, Members: p.Members, Devices: p.Devices,
			}, loaded.AccessRows)
			sameSet(t, promise, p.Items, loaded.Items)
			sameList(t, promise, p.Members, l.members(w.ID))
			sameList(t, promise, p.Operations, l.operations(stacksync.OperationsParams{IDs: operationIDs(op), Limit: 10}))
			sameList(t, promise, p.Operations, l.operations(stacksync.OperationsParams{Workspaces: []stacksync.WorkspaceID{w.ID}, Limit: 10}))
			sameList(t, promise, p.Items, l.children(stacksync.ChildrenParams{Workspace: w.ID, Parent: row.Parent, PageBound: stacksync.PageBound{Limit: 10}}))
		})
	}
}

func emptyValues(t T, s Suite) {
	r := newRig(t, s)
	u := stacksync.User{ID: r.user().ID}
	w := stacksync.Workspace{ID: stacksync.WorkspaceID{UUID: r.uuid()}, Owner: u.ID}
	m := stacksync.Member{Workspace: w.ID, User: u.ID, Role: stacksync.Viewer}
	d := stacksync.Device{ID: stacksync.DeviceID{UUID: r.uuid()}, User: u.ID}
	op := stacksync.Operation{ID: stacksync.OperationID{UUID: r.uuid()}, User: u.ID, Workspace: w.ID, State: stacksync.OperationDone}
	bare := stacksync.ItemRow{Workspace: w.ID, NameKey: "n", Item: stacksync.Item{
		ID: stacksync.ItemID{UUID: r.uuid()}, Version: 1, Revision: 1, Status: stacksync.StatusNew, Kind: stacksync.File, Name: "n",
	}}
	empty := bare
	empty.ID, empty.NameKey, empty.Revision = stacksync.ItemID{UUID: r.uuid()}, "m", 2
	empty.Chunks, empty.Attrs = []stacksync.Chunk{}, map[string]string{}
	zeroSize := empty
	zeroSize.ID, zeroSize.NameKey, zeroSize.Revision = stacksync.ItemID{UUID: r.uuid()}, "l", 3
	zeroSize.Chunks, zeroSize.Attrs = []stacksync.Chunk{{Name: "c"}, {Name: "c"}}, map[string]string{"k": ""}
	p := stacksync.PutParams{
		Users: []stacksync.User{u}, Workspaces: []stacksync.Workspace{w}, Members: []stacksync.Member{m}, Devices: []stacksync.Device{d},
		Items: []stacksync.ItemRow{bare, empty, zeroSize}, Superseded: []stacksync.ItemRow{bare, empty},
		Operations: []stacksync.Operation{op},
	}
	r.saveAndRead(p, func(l look) {
		const promise = "what is empty comes back empty; slices and maps of length 0 may come back nil"
		loaded := l.load(stacksync.LoadParams{
			Access: []stacksync.AccessKey{accessKey(w.ID, u.ID, d.ID)}, Items: itemKeys(p.Items...),
			Versions: []stacksync.VersionKey{versionKeyOf(bare), versionKeyOf(empty)},
		})
		sameAccess(t, promise, stacksync.AccessRows{Workspaces: p.Workspaces, Owners: p.Users, Members: p.Members, Devices: p.Devices}, loaded.AccessRows)
		sameSet(t, promise, p.Items, loaded.Items)
		sameSet(t, promise, p.Superseded, loaded.Versions)
		sameList(t, promise, p.Members, l.members(w.ID))
		sameList(t, promise, p.Operations, l.operations(stacksync.OperationsParams{IDs: operationIDs(op), Limit: 1}))
	})
}
