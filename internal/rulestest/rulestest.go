// Package rulestest is the table of the consistency rules: a row for every row of the commit table
// in docs/design.md, and for every structure rule. The root package runs the table on its rules
// alone, without a store; the service runs it on each store.
package rulestest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// World is one workspace, empty at first. Its owner commits to it.
type World interface {
	// Upload stores content and returns its chunks, named by their SHA-256.
	Upload(contents ...string) []stacksync.Chunk
	// Commit commits proposals in one request and returns their outcomes.
	Commit(proposals ...stacksync.Proposal) []stacksync.Outcome
	// Item returns the current version of an item that exists.
	Item(id stacksync.ItemID) stacksync.Item
	// SetQuota sets the owner's quota limit, in bytes.
	SetQuota(limit int64)
	// Snapshot returns the present state.
	Snapshot() Snapshot
	// ID returns a new item id with each call.
	ID() stacksync.ItemID
}

// Snapshot is all that a client can see of a workspace, and the bytes that its owner is charged.
type Snapshot struct {
	Revision int64
	Used     int64            // the owner's QuotaUsed
	Items    []stacksync.Item // current versions, without tombstones, by revision
}

// Charged returns the bytes that the owner should be charged for Items.
func (s Snapshot) Charged() int64 {
	var sum int64
	for _, it := range s.Items {
		if !it.Deleted {
			sum += it.Size
		}
	}
	return sum
}

// Limits are the limits that the table is about. The other fields have their defaults.
var Limits = stacksync.Limits{Attrs: 2, AttrBytes: 100, Chunks: 20_000, Depth: 5}

// Tree is the tree that the rows start from:
//
//	docs/            folder
//	docs/sub/        folder
//	docs/sub/deep    file, versions 1 and 2
//	docs/a           file
//	gone/            folder, deleted
//	gone/x           file, deleted with it
type Tree struct {
	World
	t                                  require.TestingT
	Docs, Sub, Deep1, Deep, A, Gone, X stacksync.Proposal
}

// NewTree commits a Tree to an empty world.
func NewTree(t require.TestingT, w World) Tree {
	tr := Tree{World: w, t: t}
	tr.Docs = tr.folder(stacksync.ItemID{}, "docs")
	tr.Sub = tr.folder(tr.Docs.Item, "sub")
	tr.Deep1 = tr.file(tr.Sub.Item, "deep", "one")
	tr.A = tr.file(tr.Docs.Item, "a", "aaaa")
	tr.Gone = tr.folder(stacksync.ItemID{}, "gone")
	tr.X = tr.file(tr.Gone.Item, "x", "x")
	tr.must(tr.Docs, tr.Sub, tr.Deep1, tr.A, tr.Gone, tr.X)
	tr.Deep = next(tr.Deep1, func(p *stacksync.Proposal) {
		p.Chunks = w.Upload("one", "two")
		p.Size = 6
	})
	tr.must(tr.Deep, deletion(tr.Gone))
	return tr
}

func (tr Tree) folder(parent stacksync.ItemID, name string) stacksync.Proposal {
	return stacksync.Proposal{Item: tr.ID(), Version: 1, Parent: parent, Name: name, Kind: stacksync.Folder}
}

// file returns version 1 of a file with one chunk, and uploads that chunk.
func (tr Tree) file(parent stacksync.ItemID, name, content string) stacksync.Proposal {
	return stacksync.Proposal{
		Item: tr.ID(), Version: 1, Parent: parent, Name: name, Kind: stacksync.File,
		Size: int64(len(content)), Checksum: ChunkOf(content).Name, Chunks: tr.Upload(content),
	}
}

// must commits proposals that have to succeed.
func (tr Tree) must(proposals ...stacksync.Proposal) {
	for _, o := range tr.Commit(proposals...) {
		require.NoError(tr.t, o.Err)
		require.Equal(tr.t, stacksync.Committed, o.Result)
	}
}

// ChunkOf returns the chunk of some content: its name is the content's SHA-256.
func ChunkOf(content string) stacksync.Chunk {
	sum := sha256.Sum256([]byte(content))
	return stacksync.Chunk{Name: hex.EncodeToString(sum[:]), Size: int64(len(content))}
}

// NumberedID returns an item id that is the same in every run.
func NumberedID(n int) stacksync.ItemID {
	return stacksync.ItemID{UUID: uuid.NewSHA1(uuid.Nil, fmt.Appendf(nil, "item %d", n))}
}

// next returns the version after p, changed by change.
func next(p stacksync.Proposal, change func(*stacksync.Proposal)) stacksync.Proposal {
	p.Version++
	change(&p)
	return p
}

func deletion(p stacksync.Proposal) stacksync.Proposal {
	return stacksync.Proposal{Item: p.Item, Version: p.Version + 1, Delete: true}
}

// Policy is the policy that the table is about, for Rules.Policy or service.Config.Policy. It
// vetoes an item named "vetoed", and the deletion of one named "held"; it changes the item named
// "meddled", which must have no effect; and it panics for one named "panics".
func Policy(_ context.Context, r stacksync.PolicyRequest) error {
	switch r.Proposed.Name {
	case "vetoed":
		return errors.New("house rule")
	case "held":
		if r.Proposed.Deleted {
			return errors.New("legal hold")
		}
	case "meddled":
		r.Proposed.Name, r.Proposed.Size = "../etc", 0
	case "panics":
		panic("oops")
	}
	return nil
}
