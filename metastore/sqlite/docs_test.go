package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// TestDocument runs each SQL block of docs/sqlite.md on a store, and sees that it does what it says.
func TestDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "sqlite.md"))
	require.NoError(t, err)
	blocks := map[string]string{}
	for i, part := range strings.Split("\n"+string(text), "\n```") {
		if sql, ok := strings.CutPrefix(part, "sql\n"); ok && i%2 == 1 {
			name, statement, _ := strings.Cut(sql, "\n")
			blocks[name] = statement
		}
	}
	for name, check := range map[string]func(t *testing.T, path, statement string){
		"-- New epochs after a restore.": func(t *testing.T, path, statement string) {
			before := epochs(t, path)
			db := openRaw(t, path)
			execute(t, db, statement)
			require.NoError(t, db.Close())
			after := epochs(t, path)
			require.Len(t, after, len(before))
			for id, epoch := range after {
				require.NotEqual(t, before[id], epoch)
			}
			require.NotEqual(t, after[workspaceID(1)], after[workspaceID(2)], "each has one of its own")
		},
		"-- Is the file sound?": func(t *testing.T, path, statement string) {
			verdict := func() string {
				rows, err := openRaw(t, path).QueryContext(t.Context(), statement)
				require.NoError(t, err)
				defer func() { require.NoError(t, rows.Close()) }()
				var all []string
				for rows.Next() {
					var v string
					require.NoError(t, rows.Scan(&v))
					all = append(all, v)
				}
				require.NoError(t, rows.Err())
				return strings.Join(all, "\n")
			}
			require.Equal(t, "ok", verdict())
			dropFromIndex(t, path)
			require.Contains(t, verdict(), "missing from index items_log")
		},
		"-- New indexes.": func(t *testing.T, path, statement string) {
			dropFromIndex(t, path)
			db := openRaw(t, path)
			execute(t, db, statement)
			require.NoError(t, db.Close())
			require.Equal(t, 2400, count(t, open(t, path, Config{}), 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, blocks, name)
			path := tempPath(t)
			store := open(t, path, Config{})
			p := stacksync.PutParams{Items: files(1, 1, 2400), Users: []stacksync.User{{ID: "ada"}}}
			for n := range 3 {
				p.Workspaces = append(p.Workspaces, stacksync.Workspace{ID: workspaceID(n), Owner: "ada", Epoch: 1})
			}
			require.NoError(t, put(t.Context(), store, p))
			require.NoError(t, store.Close())
			check(t, path, blocks[name])
		})
	}
	require.Len(t, blocks, 3, "each is checked")
}

func epochs(t *testing.T, path string) map[stacksync.WorkspaceID]int64 {
	t.Helper()
	all := map[stacksync.WorkspaceID]int64{}
	store := open(t, path, Config{})
	var keys []stacksync.AccessKey
	for n := range 3 {
		keys = append(keys, stacksync.AccessKey{Workspace: workspaceID(n)})
	}
	require.NoError(t, store.View(t.Context(), func(ctx context.Context, r stacksync.Reader) error {
		res, err := r.Load(ctx, stacksync.LoadParams{Access: keys})
		for _, w := range res.Workspaces {
			all[w.ID] = w.Epoch
		}
		return err
	}))
	require.Len(t, all, 3)
	require.NoError(t, store.Close())
	return all
}
