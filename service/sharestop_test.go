package service_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// losing makes the storage forget a chunk that a move needs: the operation stops. It returns the operation, and how to bring the chunk back.
func (w *world) losing(store stacksync.StorageProvisioner, content string, run func() error) (op stacksync.Operation, back func()) {
	w.Helper()
	container := w.workspace().Container
	_, err := store.DeleteChunks(w.Context(), stacksync.DeleteChunksParams{Container: container, Names: []string{chunkOf(content).Name}})
	require.NoError(w, err)
	var stopped *stacksync.OperationError
	err = run()
	require.ErrorAs(w, err, &stopped)
	require.ErrorIs(w, err, stacksync.ErrChunksMissing)
	op = stopped.Operation
	require.Equal(w, stacksync.OperationStopped, op.State)
	require.Contains(w, op.Error, chunkOf(content).Name)
	return op, func() { w.upload(content) }
}

func (w *world) settle(id stacksync.OperationID, undo bool) (stacksync.Operation, error) {
	res, err := w.svc.SettleOperation(w.Context(), stacksync.SettleOperationRequest{Operation: id, Undo: undo})
	return res.Operation, err
}

// stopped returns the ids of all operations that have stopped.
func (w *world) stopped() (ids []stacksync.OperationID) {
	w.Helper()
	res, err := w.svc.ListStoppedOperations(w.Context(), stacksync.ListStoppedOperationsRequest{})
	require.NoError(w, err)
	require.False(w, res.More)
	for _, op := range res.Operations {
		require.Equal(w, stacksync.OperationStopped, op.State)
		ids = append(ids, op.ID)
	}
	return ids
}

// An operation that can't go on stops and says why; whoever asked for it, or the host, resumes it when the cause is gone.
func TestStoppedShareIsResumed(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		for name, resume := range map[string]func(*world, stacksync.OperationID) (stacksync.Operation, error){
			"by its user": func(w *world, id stacksync.OperationID) (stacksync.Operation, error) {
				res, err := w.svc.ResumeOperation(w.Context(), stacksync.ResumeOperationRequest{Actor: w.actor, Operation: id})
				return res.Operation, err
			},
			"by the host": func(w *world, id stacksync.OperationID) (stacksync.Operation, error) { return w.settle(id, false) },
		} {
			t.Run(name, func(t *testing.T) {
				a := newAccounts()
				w := newWorld(t, open(t), onStorage(a), withKey)
				bob, _ := w.join("bob")
				s := w.shelf()
				require.Empty(t, w.stopped())
				op, back := w.losing(a, "first", func() error { _, err := w.shareErr(s.folder.Item, stacksync.Invitee{User: "bob"}); return err })
				require.Equal(t, "copy", op.Step)
				require.Equal(t, []stacksync.OperationID{op.ID}, w.stopped())
				require.False(t, w.item(s.first.Item).Deleted, "nothing has moved")

				got, err := w.svc.GetOperation(t.Context(), stacksync.GetOperationRequest{Operation: op.ID})
				require.NoError(t, err)
				require.Equal(t, stacksync.OperationStopped, got.Operation.State)
				_, err = resume(w, op.ID)
				require.ErrorIs(t, err, stacksync.ErrChunksMissing, "the cause is not gone")
				require.Equal(t, []stacksync.OperationID{op.ID}, w.stopped())
				back()
				done, err := resume(w, op.ID)
				require.NoError(t, err)
				require.Empty(t, w.stopped())
				require.Equal(t, stacksync.OperationDone, done.State)
				require.Empty(t, done.Error)
				require.Equal(t, shelfTree, w.at(bob, op.Workspace).tree())
				done, err = resume(w, op.ID)
				require.NoError(t, err, "once more does nothing")
				require.Equal(t, stacksync.OperationDone, done.State)
			})
		}
	})
}

// A host finds what has stopped of all users, the oldest first, as many as it asks for.
func TestStoppedOperationsAreListed(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t), func(c *service.Config) { c.Limits.Page = 3 })
		save := func(ops ...stacksync.Operation) {
			require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
				_, err := tx.Put(ctx, stacksync.PutParams{Operations: ops})
				return err
			}))
		}
		var oldest []stacksync.Operation
		for i, user := range []stacksync.UserID{"ada", "bob", "nobody", "ada"} {
			at := time.Date(2026, 1, 4-i, 0, 0, 0, 0, time.UTC) // the last one is the oldest
			stopped := stacksync.Operation{
				ID: stacksync.OperationID{UUID: uuid.New()}, Kind: stacksync.OperationShare, User: user, State: stacksync.OperationStopped, CreatedAt: at, UpdatedAt: at,
				Workspace: stacksync.WorkspaceID{UUID: uuid.New()},
			}
			if user == "ada" {
				stopped.Source = w.ws
			}
			done := stopped
			done.ID.UUID, done.State = uuid.New(), stacksync.OperationDone
			save(stopped, done)
			oldest = slices.Insert(oldest, 0, stopped)
		}
		list := func(limit, most int) {
			res, err := w.svc.ListStoppedOperations(t.Context(), stacksync.ListStoppedOperationsRequest{Limit: limit})
			require.NoError(t, err)
			require.Len(t, res.Operations, min(most, len(oldest)))
			for i, op := range res.Operations {
				require.Equal(t, oldest[i].ID, op.ID)
			}
			require.Equal(t, len(oldest) > most, res.More)
			own, err := w.svc.ListOperations(t.Context(), stacksync.ListOperationsRequest{Actor: w.actor, Limit: limit})
			require.NoError(t, err)
			require.Len(t, own.Operations, most, "of four")
		}
		for limit, most := range map[int]int{0: 3, 1: 1, 3: 3} { // 0: no more than a page
			list(limit, most)
		}
		settled := oldest[3]
		settled.State = stacksync.OperationDone
		save(settled)
		oldest = oldest[:3]
		list(3, 3)
		list(2, 2)
		for _, limit := range []int{-1, 4} {
			_, all := w.svc.ListStoppedOperations(t.Context(), stacksync.ListStoppedOperationsRequest{Limit: limit})
			_, own := w.svc.ListOperations(t.Context(), stacksync.ListOperationsRequest{Actor: w.actor, Limit: limit})
			for _, err := range []error{all, own} {
				var field *stacksync.FieldError
				require.ErrorAs(t, err, &field)
				require.Equal(t, "Limit", field.Field)
				require.ErrorIs(t, err, stacksync.ErrLimit)
			}
		}
	})
}

func TestStoppedShareIsUndone(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		for name, undo := range map[string]func(*world, stacksync.OperationID) (stacksync.Operation, error){
			"by its user": func(w *world, id stacksync.OperationID) (stacksync.Operation, error) {
				res, err := w.svc.CancelOperation(w.Context(), stacksync.CancelOperationRequest{Actor: w.actor, Operation: id})
				return res.Operation, err
			},
			"by the host": func(w *world, id stacksync.OperationID) (stacksync.Operation, error) { return w.settle(id, true) },
		} {
			t.Run(name, func(t *testing.T) {
				a := newAccounts()
				w := newWorld(t, open(t), onStorage(a), withKey)
				bob, bobs := w.join("bob")
				s := w.shelf()
				before := w.tree()
				op, back := w.losing(a, "first", func() error { _, err := w.shareErr(s.folder.Item, stacksync.Invitee{User: "bob"}); return err })
				require.Positive(t, op.Done, "files of the step copy")
				undone, err := undo(w, op.ID)
				require.NoError(t, err)
				require.Equal(t, stacksync.OperationUndone, undone.State)
				require.Zero(t, undone.Done, "there is no progress in other steps than copy and move")
				require.Zero(t, undone.Total)
				require.Empty(t, w.stopped())
				back()
				require.Equal(t, before, w.tree())
				require.Empty(t, w.at(bob, bobs).mounts())
				require.Len(t, a.containers(), 2, "those of two default workspaces")
				_, err = w.shareErr(s.sub.Item, stacksync.Invitee{User: "bob"})
				require.NoError(t, err, "the folder is free")
			})
		}
	})
}

// A share that stops when items have moved is taken back by bringing them home.
func TestShareIsUndoneHalfWay(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		c := &meddling{accounts: newAccounts()}
		one := func(c *service.Config) { c.Limits.PageChunks = 1 } // files move one by one
		w := newWorld(t, open(t), onStorage(c), withKey, one)
		bob, bobs := w.join("bob")
		s := w.shelf()
		late := w.file(s.folder.Item, "late.txt", "late")
		c.copyChunks = func(names []string) error {
			switch {
			case slices.Contains(names, late.Chunks[0].Name):
				return &stacksync.ChunksMissingError{Names: []string{late.Chunks[0].Name}}
			case slices.Contains(names, s.deep.Chunks[0].Name) && !w.has(late.Item):
				w.must(late) // the level above was read before: it is met when first.txt has moved
			}
			return nil
		}
		_, err := w.shareErr(s.folder.Item, stacksync.Invitee{User: "bob"})
		var stopped *stacksync.OperationError
		require.ErrorAs(t, err, &stopped)
		op := stopped.Operation
		require.Equal(t, []any{stacksync.OperationStopped, "move"}, []any{op.State, op.Step})
		require.Equal(t, op.Workspace, w.item(s.first.Item).MovedTo, "some of it has moved")
		_, err = w.svc.CancelOperation(t.Context(), stacksync.CancelOperationRequest{Actor: w.actor, Operation: op.ID})
		require.ErrorIs(t, err, stacksync.ErrConflict)

		require.Positive(t, op.Done)
		c.setAccess = func(string) error {
			now, err := w.svc.GetOperation(context.Background(), stacksync.GetOperationRequest{Operation: op.ID})
			if err == nil && now.Operation.Kind == stacksync.OperationReturn && now.Operation.Step == "access" && now.Operation.Done+now.Operation.Total > 0 {
				err = fmt.Errorf("%w: the progress of the share shows in the return", stacksync.ErrForbidden)
				t.Error(err)
			}
			return err
		}
		home, err := w.settle(op.ID, true)
		require.NoError(t, err)
		require.Equal(t, []any{stacksync.OperationReturn, stacksync.OperationDone}, []any{home.Kind, home.State})
		require.Equal(t, joined(beside, in("docs", shelfTree), map[string]string{"docs/late.txt": "late"}), w.tree())
		require.Empty(t, append(w.mounts(), w.at(bob, bobs).mounts()...))
		require.Len(t, c.containers(), 2, "those of two default workspaces")
		versions, err := w.svc.ListVersions(t.Context(), stacksync.ListVersionsRequest{Actor: w.actor, Workspace: w.ws, Item: s.first.Item})
		require.NoError(t, err)
		require.EqualValues(t, 3, versions.Items[0].Version, "it has gone on with its history")
		_, err = w.settle(op.ID, true)
		require.NoError(t, err, "once more does nothing")
	})
}

func (w *world) has(id stacksync.ItemID) bool {
	return len(w.rows(stacksync.LoadParams{Items: []stacksync.ItemKey{{Workspace: w.ws, Item: id}}}).Items) > 0
}

// Whoever waits for a share that the host turns back half-way is told so.
func TestShareIsUndoneWhileItsCallerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meddling{accounts: newAccounts()}
		w := newWorld(t, memory.New(memory.Config{}), onStorage(m), withKey)
		w.join("bob")
		s := w.shelf()
		late := w.file(s.folder.Item, "late.txt", "late")
		m.copyChunks = func(names []string) error {
			switch {
			case !w.has(late.Item):
				w.must(late) // after all was read: it is left to the step that moves
			case slices.Contains(names, late.Chunks[0].Name):
				ops, err := w.svc.ListOperations(t.Context(), stacksync.ListOperationsRequest{Actor: w.actor})
				require.NoError(t, err)
				_, err = w.settle(ops.Operations[0].ID, true)
				require.NoError(t, err)
			}
			return nil
		}
		_, err := w.shareErr(s.folder.Item, stacksync.Invitee{User: "bob"})
		require.ErrorIs(t, err, stacksync.ErrUndone)
		require.Equal(t, joined(beside, in("docs", shelfTree), map[string]string{"docs/late.txt": "late"}), w.tree())
		require.Empty(t, w.mounts())
	})
}

// What is shared is not undone, but unshared; and other operations only go forward.
func TestNoWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meddling{accounts: newAccounts()}
		down, full := true, false
		m.copyChunks = func([]string) error {
			if full {
				return stacksync.ErrForbidden
			}
			return nil
		}
		m.setAccess = func(string) error {
			if !down {
				return nil
			}
			return fmt.Errorf("%w: caf\xe9 \x00 %s", stacksync.ErrForbidden, strings.Repeat("é", 4<<10)) // in no language
		}
		w := newWorld(t, memory.New(memory.Config{}), onStorage(m), withKey)
		w.join("bob")
		s := w.shelf()
		_, err := w.shareErr(s.folder.Item, stacksync.Invitee{User: "bob"})
		var stopped *stacksync.OperationError
		require.ErrorAs(t, err, &stopped)
		op := stopped.Operation
		require.Equal(t, "access", op.Step)
		require.True(t, utf8.ValidString(op.Error), "whatever the storage answers")
		require.NotContains(t, op.Error, "\x00")
		require.LessOrEqual(t, len(op.Error), 4<<10)
		_, err = w.settle(op.ID, true)
		require.ErrorIs(t, err, stacksync.ErrConflict)
		down = false
		_, err = w.settle(op.ID, false)
		require.NoError(t, err)

		full = true
		shared := w.at(w.actor, op.Workspace)
		shared.must(shared.file(stacksync.ItemID{}, "new.txt", "new"))
		err = shared.unshare()
		require.ErrorAs(t, err, &stopped)
		require.Equal(t, stacksync.OperationReturn, stopped.Operation.Kind)
		_, err = w.settle(stopped.Operation.ID, true)
		require.ErrorIs(t, err, stacksync.ErrConflict)
		full = false
		_, err = w.settle(stopped.Operation.ID, false)
		require.NoError(t, err)
		require.Equal(t, joined(beside, in("docs", shelfTree), map[string]string{"docs/new.txt": "new"}), w.tree())
		_, err = w.settle(stacksync.OperationID{UUID: uuid.New()}, false)
		require.ErrorIs(t, err, stacksync.ErrOperationNotFound)
	})
}

// A kind of operation that a later version has recorded is left to it: the row stays as it is, but for the lease.
func TestOperationsOfAnUnknownKindAreLeftAlone(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.RelayInterval = 10 * time.Millisecond })
	later := stacksync.Operation{
		ID: stacksync.OperationID{UUID: uuid.New()}, Kind: "later", User: w.actor.User, Workspace: w.ws, State: stacksync.OperationRunning, Step: "one",
		CreatedAt: time.Unix(1, 0).UTC(), UpdatedAt: time.Unix(1, 0).UTC(), Due: time.Unix(1, 0).UTC(), Data: `{"precious":1}`, Fence: 1,
	}
	w.put(stacksync.PutParams{Operations: []stacksync.Operation{later}})
	read := func() stacksync.Operation {
		res, err := w.svc.GetOperation(t.Context(), stacksync.GetOperationRequest{Operation: later.ID})
		require.NoError(t, err)
		return res.Operation
	}
	require.Eventually(t, func() bool { return read().Fence > 1 }, 10*time.Second, time.Millisecond, "it is claimed")
	require.NoError(t, w.svc.Close())
	w.each[0], _ = service.New(w.store, service.Config{})
	w.svc = w.each[0]
	now := read()
	require.Equal(t, later.Data, now.Data)
	require.Equal(t, stacksync.OperationRunning, now.State)
	require.Equal(t, "one", now.Step)
}
