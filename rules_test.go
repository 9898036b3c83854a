package stacksync_test

import (
	"cmp"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/rulestest"
)

// TestRules runs the table of the rules on the rules alone: no store, no service, no clock.
func TestRules(t *testing.T) {
	rulestest.Run(t, func(t *testing.T, _ int) rulestest.World { return newBook(t) })
}

// book is a workspace whose rows are kept in maps: what Decide asks for is all there is.
type book struct {
	*testing.T
	rules     stacksync.Rules
	workspace stacksync.Workspace
	owner     stacksync.User
	current   map[stacksync.ItemID]stacksync.ItemRow
	old       map[stacksync.VersionKey]stacksync.ItemRow
	stored    map[string]int64 // chunks
	ids       int
}

func newBook(t *testing.T) *book {
	limits, err := rulestest.Limits.WithDefaults()
	require.NoError(t, err)
	return &book{
		T: t, rules: stacksync.Rules{Limits: limits, Policy: rulestest.Policy},
		workspace: stacksync.Workspace{Owner: "ada"}, owner: stacksync.User{ID: "ada"},
		current: map[stacksync.ItemID]stacksync.ItemRow{}, old: map[stacksync.VersionKey]stacksync.ItemRow{}, stored: map[string]int64{},
	}
}

func (b *book) Upload(contents ...string) []stacksync.Chunk {
	var chunks []stacksync.Chunk
	for _, content := range contents {
		c := rulestest.ChunkOf(content)
		b.stored[c.Name] = c.Size
		chunks = append(chunks, c)
	}
	return chunks
}

// Commit does what a service does: check, load, decide, save.
func (b *book) Commit(proposals ...stacksync.Proposal) []stacksync.Outcome {
	actor := stacksync.Actor{User: "ada", Device: stacksync.DeviceID(rulestest.NumberedID(0))}
	draft, err := b.rules.Check(stacksync.CommitRequest{Actor: actor, Proposals: proposals})
	require.NoError(b, err)
	draft.Stored = maps.Clone(b.stored)
	workspace, owner := b.workspace, b.owner
	ledger := stacksync.NewLedger(&workspace, &owner)
	for _, row := range b.current {
		ledger.Add(&row)
	}
	for _, row := range b.old {
		ledger.AddVersion(&row)
	}
	outcomes := b.rules.Decide(b.Context(), time.Unix(1, 0).UTC(), ledger, draft)
	var put stacksync.PutParams
	ledger.Writes(&put)
	loaded, now := ledger.Revisions()
	require.Equal(b, now-loaded, int64(len(put.Superseded)+countNew(put.Items)), "each saved version takes a revision")
	for _, w := range put.Workspaces {
		b.workspace = w
	}
	b.owner = owner
	for _, row := range put.Items {
		b.current[row.ID] = row
	}
	for _, row := range put.Superseded {
		b.old[stacksync.VersionKey{Workspace: row.Workspace, Item: row.ID, Version: row.Version}] = row
	}
	return outcomes
}

// countNew counts the items of a commit that it has made: those whose version 1 was superseded, or
// is the current one.
func countNew(rows []stacksync.ItemRow) int {
	n := 0
	for _, row := range rows {
		if row.Version == 1 {
			n++
		}
	}
	return n
}

func (b *book) Item(id stacksync.ItemID) stacksync.Item {
	require.Contains(b, b.current, id)
	return b.current[id].Item
}

func (b *book) ID() stacksync.ItemID {
	b.ids++
	return rulestest.NumberedID(b.ids)
}

func (b *book) SetQuota(limit int64) { b.owner.QuotaLimit = limit }

func (b *book) Snapshot() rulestest.Snapshot {
	s := rulestest.Snapshot{Revision: b.workspace.Revision, Used: b.owner.QuotaUsed}
	for _, row := range b.current {
		if !row.Deleted {
			s.Items = append(s.Items, row.Item)
		}
	}
	slices.SortFunc(s.Items, func(a, b stacksync.Item) int { return cmp.Compare(a.Revision, b.Revision) })
	return s
}
