package metastoretest

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stacksync/stacksync-go"
)

func sharingValueChecks() []check {
	return []check{
		{Name: "sealed keys of 4,096 bytes come back", Run: sealedKeys},
		{Name: "1 MiB of an operation's Data comes back", Run: largeData},
		{Name: "4 KiB of any characters come back as an operation's Error", Run: anyError},
		{Name: "MovedTo comes back in every version", Run: movedTo},
		{Name: "size, folder, encryption and freeze of a workspace come back, and are taken back", Run: sharedAndNot},
	}
}

// filledWith repeats v up to n bytes, and never cuts a character.
func filledWith(v string, n int) string {
	return strings.Repeat(v, n/len(v)) + strings.Repeat("=", n%len(v))
}

func sealedKeys(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	var p stacksync.PutParams
	for _, v := range []string{"k", "é", "日", "👩\u200d", "\x01\x7f\u2028", `'"\%`, "\u202e\ufeff"} {
		u := r.user()
		m := r.invited(h.id(), u.ID, stacksync.Viewer)
		m.SealedKey = filledWith(v, 4096)
		p.Users, p.Members = append(p.Users, u), append(p.Members, m)
	}
	r.saveAndRead(p, func(l look) {
		const promise = "a SealedKey is up to 4,096 bytes of UTF-8, and comes back byte for byte"
		sameSet(t, promise, append([]stacksync.Member{h.member}, p.Members...), l.members(h.id()))
		for i, m := range p.Members {
			sameList(t, promise, p.Members[i:i+1], l.memberships(m.User).Members)
			sameList(t, promise, p.Members[i:i+1], l.load(stacksync.LoadParams{
				Access: []stacksync.AccessKey{accessKey(h.id(), m.User, stacksync.DeviceID{})},
			}).Members)
		}
	})
}

func largeData(t T, s Suite) {
	r := newRig(t, s)
	var ops []stacksync.Operation
	for _, v := range []string{"d", "é", "👩", `\"`, `\u0000`} {
		op := r.operation(stacksync.WorkspaceID{UUID: r.uuid()}, "nobody")
		op.Data = `"` + filledWith(v, 1<<20-2) + `"`
		ops = append(ops, op)
	}
	r.saveAndRead(putOperations(ops...), func(l look) {
		sameSet(t, "Data is at most 1 MiB, and comes back byte for byte", ops,
			l.operations(stacksync.OperationsParams{IDs: operationIDs(ops...), Limit: len(ops)}))
	})
}

// everyCharacter returns texts of 4,096 bytes that have, together, each character but NUL of the basic plane, and the ends of all others.
func everyCharacter() (texts []string) {
	const size = 4096
	var text strings.Builder
	add := func(from, to rune) {
		for c := from; c <= to; c++ {
			if !utf8.ValidRune(c) {
				continue // a surrogate
			}
			if text.Len()+utf8.RuneLen(c) > size {
				texts = append(texts, filledWith("=", size-text.Len())+text.String())
				text.Reset()
			}
			text.WriteRune(c)
		}
	}
	add(1, 0xffff)
	for plane := rune(0x1_0000); plane < utf8.MaxRune; plane += 0x1_0000 {
		add(plane, plane+0x20)
		add(plane+0xffe0, plane+0xffff)
	}
	return append(texts, filledWith("=", size-text.Len())+text.String())
}

func anyError(t T, s Suite) {
	r := newRig(t, s)
	texts := everyCharacter()
	for _, v := range slices.Concat(lookalikes(), oddStrings()) {
		texts = append(texts, filledWith(v, 4096))
	}
	var ops []stacksync.Operation
	for _, text := range texts {
		op := r.operation(stacksync.WorkspaceID{UUID: r.uuid()}, "nobody")
		op.Error = text
		ops = append(ops, op)
	}
	r.saveAndRead(putOperations(ops...), func(l look) {
		sameSet(t, "Error is up to 4 KiB of any valid UTF-8 without NUL, and comes back byte for byte", ops,
			l.operations(stacksync.OperationsParams{IDs: operationIDs(ops...), Limit: len(ops)}))
	})
}

// movedTo has an item that went to another workspace, came back, and went again.
func movedTo(t T, s Suite) {
	r := newRig(t, s)
	h, there, elsewhere := r.home(), r.home(), r.home()
	v1 := r.file(h.id(), stacksync.ItemID{})
	v2, stays := r.deleted(v1), r.file(h.id(), stacksync.ItemID{})
	v3 := r.next(v2)
	v3.Deleted = false
	v4 := r.deleted(v3)
	v1.MovedTo, v2.MovedTo, v3.MovedTo, v4.MovedTo = stacksync.WorkspaceID{}, there.id(), stacksync.WorkspaceID{}, elsewhere.id()
	for i, row := range []stacksync.ItemRow{v1, v2, v3, v4} {
		superseded := []stacksync.ItemRow{v1, v2, v3}[:i]
		p := stacksync.PutParams{Items: []stacksync.ItemRow{row, stays}, Superseded: superseded}
		r.saveAndRead(p, func(l look) {
			const promise = "MovedTo is that of each version, current or superseded"
			var versions []stacksync.VersionKey
			history := []stacksync.ItemRow{row}
			for k := range superseded {
				older := superseded[len(superseded)-1-k]
				versions, history = append(versions, versionKeyOf(older)), append(history, older)
			}
			loaded := l.load(stacksync.LoadParams{Items: itemKeys(row), Versions: versions})
			sameSet(t, promise, []stacksync.ItemRow{row}, loaded.Items)
			sameSet(t, promise, superseded, loaded.Versions)
			page := stacksync.PageBound{Limit: 10}
			sameList(t, promise, history, l.versions(stacksync.VersionsParams{Workspace: h.id(), Item: row.ID, PageBound: page}))
			after := stacksync.ChangesParams{Workspace: h.id(), After: row.Revision - 1, PageBound: page}
			sameList(t, promise, []stacksync.ItemRow{row}, filterSlice(l.changes(after).Items, func(got stacksync.ItemRow) bool { return got.ID == row.ID }))
			live := []stacksync.ItemRow{stays}
			if !row.Deleted {
				live = append(live, row)
			}
			sameSet(t, promise, live, l.children(stacksync.ChildrenParams{Workspace: h.id(), PageBound: page}))
		})
	}
}

// sharedAndNot sets what is zero in most workspaces, and takes it back.
func sharedAndNot(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	set, plain := h.workspace, h.workspace
	plain.Size, plain.Folder, plain.Encrypted, plain.KeyGeneration, plain.FrozenUntil = 0, stacksync.ItemID{}, false, 0, time.Time{}
	for _, w := range []stacksync.Workspace{set, plain, set} {
		r.saveAndRead(stacksync.PutParams{Workspaces: []stacksync.Workspace{w}}, func(l look) {
			const promise = "Put replaces Size, Folder, Encrypted, KeyGeneration and FrozenUntil, with zero too"
			sameSet(t, promise, []stacksync.Workspace{w}, l.workspaces(w))
			sameList(t, promise, []stacksync.Workspace{w}, l.memberships(h.user.ID).Workspaces)
		})
	}
}
