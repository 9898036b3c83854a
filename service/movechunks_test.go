package service_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
)

// occupied is a storage in whose new containers somebody has put chunks already.
type occupied struct {
	*accounts
	by []stacksync.Chunk
}

func (o *occupied) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
	r, err := o.accounts.CreateContainer(ctx, p)
	for _, c := range o.by {
		if err == nil {
			_, err = o.WriteChunk(ctx, stacksync.WriteChunkParams{Container: p.Container, Chunk: c, Content: strings.NewReader(strings.Repeat("x", int(c.Size)))})
		}
	}
	return r, err
}

// Somebody's chunk of another size is never taken for the one that is to move: the operation stops, and goes on when it is gone. An old
// version goes without.
func TestMoveOntoAnotherChunk(t *testing.T) {
	o := &occupied{accounts: newAccounts()}
	w := newWorld(t, memory.New(memory.Config{}), onStorage(o), withKey)
	bob, _ := w.join("bob")
	s := w.shelf()
	first, old := chunkOf("first"), chunkOf("deep 1")
	first.Size, old.Size = 4, 3
	o.by = []stacksync.Chunk{first, old}
	var stopped *stacksync.OperationError
	_, err := w.shareErr(s.folder.Item, stacksync.Invitee{User: "bob"})
	require.ErrorAs(t, err, &stopped)
	require.ErrorIs(t, err, stacksync.ErrSize)
	op := stopped.Operation
	require.Equal(t, []any{stacksync.OperationStopped, "copy"}, []any{op.State, op.Step})
	require.Contains(t, op.Error, first.Name)
	require.Contains(t, op.Error, "there is one of 4 bytes already where one of 5 bytes is to move")
	require.False(t, w.item(s.first.Item).Deleted, "nothing has moved")
	_, err = w.settle(op.ID, false)
	require.ErrorIs(t, err, stacksync.ErrSize, "the cause is not gone")

	for container := range o.made {
		if container != w.workspace().Container {
			_, err := o.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: container, Names: []string{first.Name}})
			require.NoError(t, err)
		}
	}
	op, err = w.settle(op.ID, false)
	require.NoError(t, err)
	require.Equal(t, stacksync.OperationDone, op.State)
	require.Equal(t, shelfTree, w.at(bob, op.Workspace).tree())
	requireOnlyOf(t, o, w.at(w.actor, op.Workspace), first.Name, 5)
}

func requireOnlyOf(t *testing.T, o *occupied, w *world, name string, size int64) {
	t.Helper()
	r, err := o.StatChunks(t.Context(), stacksync.StatChunksParams{Container: w.workspace().Container, Names: []string{name}})
	require.NoError(t, err)
	require.Equal(t, []stacksync.Chunk{{Name: name, Size: size}}, r.Chunks)
}

// What both workspaces call alike is not the same where it has another size: it does not come home.
func TestReturnOntoAnotherChunk(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}), onStorage(newAccounts()), withKey)
	w.join("bob")
	s := w.shelf()
	shared := w.at(w.actor, w.share(s.folder.Item, stacksync.Invitee{User: "bob"}).Workspace.ID)
	alike := func(w *world, parent stacksync.ItemID, content string) {
		c := stacksync.Chunk{Name: "alike", Size: int64(len(content))}
		_, err := w.svc.UploadChunk(t.Context(), stacksync.UploadChunkRequest{Actor: w.actor, Workspace: w.ws, Chunk: c, Content: strings.NewReader(content)})
		require.NoError(t, err)
		w.must(stacksync.Proposal{Item: w.id(), Version: 1, Parent: parent, Name: "alike.txt", Kind: stacksync.File, Size: c.Size, Chunks: []stacksync.Chunk{c}})
	}
	alike(w, stacksync.ItemID{}, "short")
	alike(shared, stacksync.ItemID{}, "longer")
	err := shared.unshare()
	var stopped *stacksync.OperationError
	require.ErrorAs(t, err, &stopped)
	require.ErrorIs(t, err, stacksync.ErrSize)
	require.Contains(t, stopped.Operation.Error, `chunk "alike"`)
}
