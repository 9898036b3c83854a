package metastoretest

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/stacksync/stacksync-go"
)

// The sizes of a world: small, so that random keys meet.
const (
	worldUsers, worldDevices, worldWorkspaces = 3, 3, 2
	worldItems, worldNames, worldChunks       = 6, 4, 4
	worldOperations                           = 4
)

// world is a corner of the database that one round of the check has for itself. Its ids have the round in front, so
// that they sort alike in every round: a failure stays one when the round is repeated.
type world struct {
	round int
	model *model
	steps int64 // grows with each Put: revisions and the like are made of it
}

func newWorld(round int) *world { return &world{round: round, model: newModel()} }

func (w *world) uuid(kind byte, n int) (id [16]byte) {
	id[0], id[1], id[2] = byte(w.round>>16), byte(w.round>>8), byte(w.round)
	id[8], id[15] = kind, byte(n*37+1)
	return id
}

func (w *world) user(n int) stacksync.UserID {
	return stacksync.UserID(fmt.Sprintf("%06d %c", w.round, []rune("aBä?")[n]))
}
func (w *world) device(n int) stacksync.DeviceID { return stacksync.DeviceID{UUID: w.uuid('d', n)} }
func (w *world) workspace(n int) stacksync.WorkspaceID {
	return stacksync.WorkspaceID{UUID: w.uuid('w', n)}
}

// time returns times of the round's own hour, which comes before those of the rounds so far: what they have left can't
// be claimed, and has stopped later.
func (w *world) time(n int) time.Time {
	return time.Date(2024, 1, 1, -w.round, 0, n, n*1000, time.UTC)
}

// item returns the id of item n; 0 is the root. Items of all workspaces have the same ids.
func (w *world) item(n int) (id stacksync.ItemID) {
	if n > 0 {
		id.UUID = w.uuid('i', n)
	}
	return id
}

func (w *world) operations(ns ...int) (ids []stacksync.OperationID) {
	for _, n := range ns {
		ids = append(ids, stacksync.OperationID{UUID: w.uuid('o', n)})
	}
	return ids
}

// owns reports whether an operation is one of the round's.
func (w *world) owns(op stacksync.Operation) bool {
	id := w.uuid('o', 0)
	return bytes.Equal(id[:3], op.ID.UUID[:3])
}

func (w *world) name(n int) string  { return []string{"a", "B", "á", "z'%"}[n] }
func (w *world) chunk(n int) string { return fmt.Sprintf("chunk %d", n) }

func (w *world) randomTime(t *rapid.T, what string) time.Time { return w.time(index(t, 5, what)) }

func index(t *rapid.T, n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }

// randomSteps draws a step, or several that belong together. next is the model as far as it decides what may come next.
func (w *world) randomSteps(t *rapid.T, next *model) []step {
	kinds := []string{"put", "put", "put", "put", "claim", "mark", "claim operations", "remove some", "remove a workspace", "remove a user"}
	switch rapid.SampledFrom(kinds).Draw(t, "step") {
	case "claim":
		return []step{{claim: &stacksync.ClaimHintsParams{
			Now: w.randomTime(t, "now"), Until: w.randomTime(t, "until"), Limit: rapid.IntRange(1, worldWorkspaces+1).Draw(t, "limit"),
		}}}
	case "claim operations":
		return []step{{claimOperations: &stacksync.ClaimOperationsParams{
			Now: w.randomTime(t, "now"), Until: w.randomTime(t, "until"), Limit: rapid.IntRange(1, worldOperations).Draw(t, "limit"),
		}}}
	case "mark":
		p := stacksync.MarkNotifiedParams{
			Due: w.randomTime(t, "due"), Notified: map[stacksync.WorkspaceID]int64{}, Users: map[stacksync.UserID]int64{},
		}
		for _, n := range some(t, worldWorkspaces+1, "workspaces") { // the last one is unknown
			p.Notified[w.workspace(n)] = rapid.Int64Range(0, 30).Draw(t, "notified")
		}
		for _, n := range some(t, worldUsers+1, "users") {
			p.Users[w.user(n)] = rapid.Int64Range(0, 30).Draw(t, "notified")
		}
		return []step{{mark: &p}}
	case "remove some":
		p := stacksync.RemoveParams{}
		for _, n := range some(t, worldUsers+1, "users") {
			p.Members = append(p.Members, stacksync.MemberKey{Workspace: w.workspace(index(t, worldWorkspaces+1, "workspace")), User: w.user(n)})
		}
		p.Operations = w.operations(some(t, worldOperations+1, "operations")...)
		next.remove(p)
		return []step{{remove: &p}}
	case "remove a workspace":
		id := w.workspace(index(t, worldWorkspaces+1, "workspace"))
		return w.removal(t, next, "", func(at stacksync.Workspace) bool { return at.ID == id })
	case "remove a user":
		id := w.user(index(t, worldUsers+1, "user"))
		return w.removal(t, next, id, func(at stacksync.Workspace) bool { return at.Owner == id })
	default:
		p := w.randomPut(t, next)
		next.put(p)
		return []step{{put: &p}}
	}
}

// removal purges and removes some workspaces, and a user where there is one, with their members.
func (w *world) removal(t *rapid.T, next *model, user stacksync.UserID, which func(stacksync.Workspace) bool) (steps []step) {
	var p stacksync.RemoveParams
	for n := range worldWorkspaces { // not in the order of a map: a failure stays one when the round is repeated
		at, ok := next.workspaces[w.workspace(n)]
		if !ok || !which(at) {
			continue
		}
		purge := stacksync.PurgeParams{Workspace: at.ID, Limit: rapid.IntRange(1, 5).Draw(t, "rows")}
		steps = append(steps, step{purge: &purge})
		next.purged(at.ID)
		p.Workspaces = append(p.Workspaces, at.ID)
		p.Members = append(p.Members, memberKeys(next.membersOf(at.ID)...)...)
	}
	if user != "" {
		p.Users = []stacksync.UserID{user}
		for _, m := range next.memberships(user).Members {
			if !slices.Contains(p.Workspaces, m.Workspace) {
				p.Members = append(p.Members, memberKeys(m)...)
			}
		}
	}
	next.remove(p)
	return append(steps, step{remove: &p})
}

// some draws up to three different numbers below n.
func some(t *rapid.T, n int, what string) []int {
	return rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, min(n, 3), rapid.ID[int]).Draw(t, what)
}

// addAccounts adds the users and workspaces that random rows may name, where the model lacks them.
func (w *world) addAccounts(p *stacksync.PutParams, m *model) {
	for n := range worldUsers {
		id := w.user(n)
		_, known := m.users[id]
		if !known && !slices.Contains(userIDs(p.Users...), id) {
			p.Users = append(p.Users, stacksync.User{ID: id, CreatedAt: w.time(n)})
		}
	}
	for n := range worldWorkspaces {
		id := w.workspace(n)
		_, known := m.workspaces[id]
		if !known && !slices.ContainsFunc(p.Workspaces, func(at stacksync.Workspace) bool { return at.ID == id }) {
			p.Workspaces = append(p.Workspaces, stacksync.Workspace{
				ID: id, Owner: w.user(n), CreatedAt: w.time(n), Revision: 1, HintDue: w.time(n),
			})
		}
	}
}

// randomPut draws rows with other keys for each list.
func (w *world) randomPut(t *rapid.T, m *model) stacksync.PutParams {
	var p stacksync.PutParams
	w.steps++
	if rapid.Bool().Draw(t, "accounts") {
		u, d := w.user(index(t, worldUsers, "user")), w.device(index(t, worldDevices, "device"))
		at := w.workspace(index(t, worldWorkspaces, "workspace"))
		p.Users = []stacksync.User{{
			ID: u, QuotaUsed: w.steps, CreatedAt: w.time(1), Revision: w.steps,
			Notified: rapid.Int64Range(0, w.steps+1).Draw(t, "notified"), HintDue: w.randomTime(t, "due"),
		}}
		p.Devices = []stacksync.Device{{ID: d, User: u, Name: fmt.Sprint(w.steps), Revoked: w.steps%2 == 0, CreatedAt: w.time(int(w.steps % 3))}}
		p.Members = []stacksync.Member{{
			Workspace: at, User: u, Role: stacksync.Role(1 + w.steps%3), JoinedAt: w.time(2),
			Pending: w.steps%2 == 0, SealedKey: fmt.Sprint("key ", w.steps), KeyGeneration: w.steps,
		}}
		p.Workspaces = []stacksync.Workspace{{
			ID: at, Owner: u, Revision: w.steps, Size: w.steps % 5, CreatedAt: w.time(3), FrozenUntil: w.randomTime(t, "frozen"),
			Folder: w.item(int(w.steps % worldItems)), Encrypted: w.steps%3 == 0, KeyGeneration: w.steps % 3,
			Notified: rapid.Int64Range(0, w.steps+1).Draw(t, "notified"), HintDue: w.randomTime(t, "due"),
		}}
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, worldWorkspaces*worldItems-1), 0, 5, rapid.ID[int]).Draw(t, "items") {
		at, n := w.workspace(n/worldItems), n%worldItems+1
		row, superseded := w.randomItem(t, m, &p, at, n)
		p.Items = append(p.Items, row)
		if superseded != nil {
			p.Superseded = append(p.Superseded, *superseded)
		}
	}
	for _, n := range some(t, worldOperations, "operations") {
		p.Operations = append(p.Operations, w.randomOperation(t, n))
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, worldChunks-1), 0, 2, rapid.ID[int]).Draw(t, "chunks") {
		at := w.workspace(index(t, worldWorkspaces, "workspace"))
		p.Chunks = append(p.Chunks, stacksync.ChunkRow{Workspace: at, Chunk: stacksync.Chunk{Name: w.chunk(n), Size: w.steps}})
	}
	w.addAccounts(&p, m)
	return p
}

// randomOperation draws one that may name a user and workspaces that nobody has saved.
func (w *world) randomOperation(t *rapid.T, n int) stacksync.Operation {
	op := stacksync.Operation{
		ID: w.operations(n)[0], Kind: "kind", User: w.user(index(t, worldUsers+1, "user")), Workspace: w.workspace(index(t, worldWorkspaces+1, "workspace")),
		State: rapid.SampledFrom([]stacksync.OperationState{1, 1, 2, 3, 4}).Draw(t, "state"), Step: fmt.Sprint("step ", w.steps), Done: w.steps,
		CreatedAt: w.randomTime(t, "created"), UpdatedAt: w.time(1), Data: fmt.Sprint(w.steps), Due: w.randomTime(t, "due"), Fence: w.steps,
	}
	if rapid.Bool().Draw(t, "moves") {
		op.Source = w.workspace(index(t, worldWorkspaces+1, "source"))
	}
	return op
}

// randomItem draws the next version of an item, and returns the one it supersedes. Its parent is one with a lower
// number, so that there are no cycles, and a name that a live sibling has is made another one: the service would not save those.
func (w *world) randomItem(t *rapid.T, m *model, p *stacksync.PutParams, at stacksync.WorkspaceID, n int) (row stacksync.ItemRow, superseded *stacksync.ItemRow) {
	w.steps++
	row = stacksync.ItemRow{Workspace: at, Item: stacksync.Item{
		ID: w.item(n), Version: 1, Revision: w.steps, Status: stacksync.StatusNew, Kind: stacksync.Folder,
		Parent: w.item(index(t, n, "parent")), Deleted: rapid.IntRange(0, 3).Draw(t, "deleted") == 0,
	}}
	old, ok := m.items[itemKeys(row)[0]]
	if ok {
		row.Version, row.Status, superseded = old.Version+1, stacksync.StatusChanged, &old
	}
	row.NameKey = w.name(index(t, worldNames, "name"))
	taken := func(other stacksync.ItemRow) bool {
		return nameKeyOf(other) == nameKeyOf(row) && other.ID != row.ID && !other.Deleted
	}
	if len(filter(m.items, taken)) > 0 || len(filterSlice(p.Items, taken)) > 0 {
		row.NameKey += fmt.Sprintf(" %d", n)
	}
	row.Name = "Name " + row.NameKey
	if row.Deleted {
		row.MovedTo = w.workspace(int(w.steps % (worldWorkspaces + 1)))
	}
	if rapid.Bool().Draw(t, "content") {
		row.Kind, row.Size = stacksync.File, w.steps
		row.Chunks, row.Attrs = []stacksync.Chunk{{Name: w.chunk(0), Size: w.steps}}, map[string]string{"step": fmt.Sprint(w.steps)}
	}
	return row, superseded
}
