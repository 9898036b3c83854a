package service_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/rulestest"
	"github.com/stacksync/stacksync-go/service"
)

// tree is a rulestest.Tree in a world.
type tree struct {
	*world
	docs, sub, deep1, deep, a, gone, x stacksync.Proposal
}

func newTree(w *world) tree {
	tr := rulestest.NewTree(w, ruled{w})
	return tree{world: w, docs: tr.Docs, sub: tr.Sub, deep1: tr.Deep1, deep: tr.Deep, a: tr.A, gone: tr.Gone, x: tr.X}
}

// ruled is a world as the table of the rules sees it.
type ruled struct{ *world }

func (r ruled) Upload(contents ...string) []stacksync.Chunk { return r.upload(contents...) }
func (r ruled) Commit(proposals ...stacksync.Proposal) []stacksync.Outcome {
	return r.commit(proposals...)
}
func (r ruled) Item(id stacksync.ItemID) stacksync.Item { return r.item(id) }
func (r ruled) ID() stacksync.ItemID                    { return r.id() }

func (r ruled) SetQuota(limit int64) {
	_, err := r.svc.PutUser(r.Context(), stacksync.PutUserRequest{User: r.actor.User, QuotaLimit: &limit})
	require.NoError(r, err)
}

func (r ruled) Snapshot() rulestest.Snapshot { return rulestest.Snapshot(r.snapshot()) }

// TestRules runs the table of the rules on each store: what a commit loads is what the rules ask for.
func TestRules(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		house := newWorld(t, open(t), func(c *service.Config) { c.Limits, c.Policy = rulestest.Limits, rulestest.Policy })
		rulestest.Run(t, func(t *testing.T, n int) rulestest.World { return ruled{house.guest(t, n)} })
	})
}
