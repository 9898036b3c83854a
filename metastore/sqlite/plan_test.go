package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/stacksync/stacksync-go"
)

// statements returns the texts that the only connection of a pool keeps prepared.
func statements(t *testing.T, db *bun.DB) []string {
	t.Helper()
	c, err := db.DB.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	var texts []string
	require.NoError(t, c.Raw(func(driverConn any) error {
		for text := range driverConn.(*conn).stmts {
			texts = append(texts, text)
		}
		return nil
	}))
	slices.Sort(texts)
	return texts
}

// read calls every method of a Reader.
func read(ctx context.Context, r stacksync.Reader, keys int) error {
	var load stacksync.LoadParams
	users := make([]stacksync.UserID, keys)
	operations := stacksync.OperationsParams{Limit: 10, State: stacksync.OperationRunning}
	for i := range keys {
		row := file(1, i)
		key := stacksync.ItemKey{Workspace: row.Workspace, Item: row.ID}
		users[i] = stacksync.UserID(row.Name)
		load.Access = append(load.Access, stacksync.AccessKey{Workspace: workspaceID(i), User: users[i], Device: row.Device})
		load.Items, load.Ancestors, load.Subtrees = append(load.Items, key), append(load.Ancestors, key), append(load.Subtrees, key)
		load.Names = append(load.Names, stacksync.NameKey{Workspace: row.Workspace, Parent: row.Parent, Key: row.NameKey})
		load.Versions = append(load.Versions, stacksync.VersionKey{Workspace: row.Workspace, Item: row.ID, Version: 1})
		load.Chunks = append(load.Chunks, stacksync.ChunkKey{Workspace: row.Workspace, Name: row.Checksum})
		operations.IDs = append(operations.IDs, operationID(i))
		operations.Workspaces = append(operations.Workspaces, workspaceID(i))
	}
	operations.Users = users
	w := workspaceID(1)
	calls := []func() error{
		func() error { _, err := r.Load(ctx, load); return err },
		func() error { _, err := r.Users(ctx, stacksync.UsersParams{IDs: users}); return err },
		func() error { _, err := r.Devices(ctx, stacksync.DevicesParams{User: "user-1"}); return err },
		func() error { _, err := r.Memberships(ctx, stacksync.MembershipsParams{User: "user-1"}); return err },
		func() error {
			_, err := r.Members(ctx, stacksync.MembersParams{Workspaces: operations.Workspaces})
			return err
		},
		func() error { _, err := r.Operations(ctx, operations); return err },
		func() error {
			_, err := r.StoppedOperations(ctx, stacksync.StoppedOperationsParams{Limit: 10})
			return err
		},
		func() error {
			_, err := r.Children(ctx, stacksync.ChildrenParams{Workspace: w, PageBound: stacksync.PageBound{Limit: 10}})
			return err
		},
		func() error {
			_, err := r.Children(ctx, stacksync.ChildrenParams{Workspace: w, After: "a", PageBound: stacksync.PageBound{Limit: 10}})
			return err
		},
		func() error {
			_, err := r.Versions(ctx, stacksync.VersionsParams{Workspace: w, PageBound: stacksync.PageBound{Limit: 10}})
			return err
		},
		func() error {
			_, err := r.Changes(ctx, stacksync.ChangesParams{Workspace: w, PageBound: stacksync.PageBound{Limit: 10}})
			return err
		},
	}
	for _, call := range calls {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}

// changes tells statements that look for the rows they change from INSERTs, and from what this test asks.
var changes = regexp.MustCompile(`^(WITH|UPDATE|DELETE)`)

// change calls every method of a Tx that looks for the rows it changes.
func change(ctx context.Context, tx stacksync.Tx, keys int) error {
	mark := stacksync.MarkNotifiedParams{Notified: map[stacksync.WorkspaceID]int64{}, Users: map[stacksync.UserID]int64{}}
	var remove stacksync.RemoveParams
	for i := range keys {
		user := stacksync.UserID(fmt.Sprint("nobody-", i))
		mark.Notified[workspaceID(-i)], mark.Users[user] = 1, 1
		remove.Members = append(remove.Members, stacksync.MemberKey{Workspace: workspaceID(-i), User: user})
		remove.Workspaces, remove.Users = append(remove.Workspaces, workspaceID(-i)), append(remove.Users, user)
		remove.Operations = append(remove.Operations, operationID(-i))
	}
	var failed error
	call := func(_ any, err error) { failed = cmp.Or(failed, err) }
	call(tx.ClaimHints(ctx, stacksync.ClaimHintsParams{Limit: 10}))
	call(tx.ClaimOperations(ctx, stacksync.ClaimOperationsParams{Limit: 10}))
	call(tx.MarkNotified(ctx, mark))
	call(tx.Remove(ctx, remove))
	call(tx.Purge(ctx, stacksync.PurgeParams{Workspace: workspaceID(1), Limit: 10}))
	return failed
}

// Each read goes through an index, and comes out of it in order, whatever SQLite knows of the tables.
func TestPlans(t *testing.T) {
	t.Parallel()
	store, write, readers := openPools(t, tempPath(t), Config{})
	rows := files(1, 0, 600)
	for i := range rows[1:] { // a tree, so that Changes asks for ancestors
		rows[1+i].Parent = rows[rand.IntN(1+i)].ID
		rows[1+i].Revision = int64(1000 - i)
	}
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: rows, Superseded: rows}))
	check := func(t *testing.T) {
		for _, keys := range []int{1, 8, 64, 512} {
			require.NoError(t, store.View(t.Context(), func(ctx context.Context, r stacksync.Reader) error { return read(ctx, r, keys) }))
			require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error { return change(ctx, tx, keys) }))
		}
		texts := slices.DeleteFunc(statements(t, write), func(text string) bool { return !changes.MatchString(text) })
		require.Greater(t, len(texts), 30)
		texts = append(texts, statements(t, readers)...)
		require.Greater(t, len(texts), 90)
		for _, text := range texts {
			var plan []string
			explained, err := write.DB.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "?"))...)
			require.NoError(t, err)
			for explained.Next() {
				var id, parent, unused int
				var detail string
				require.NoError(t, explained.Scan(&id, &parent, &unused, &detail))
				plan = append(plan, detail)
			}
			require.NoError(t, explained.Err())
			for _, step := range plan {
				if step == "SCAN o USING INDEX operations_stopped" { // all of a partial index is asked for
					continue
				}
				for _, slow := range []string{"TEMP B-TREE", "AUTOMATIC", "SCAN i", "SCAN c", "SCAN d", "SCAN m", "SCAN u", "SCAN w ", "SCAN workspaces", "SCAN o", "SCAN p "} {
					assert.NotContains(t, step+" ", slow, "%.300s\n%s", text, strings.Join(plan, "\n"))
				}
			}
		}
	}
	t.Run("fresh", check)
	execute(t, write, "ANALYZE")
	t.Run("analyzed", check)
}
