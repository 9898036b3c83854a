package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
	pgstore "github.com/stacksync/stacksync-go/metastore/postgres"
	"github.com/stacksync/stacksync-go/service"
)

// TestScalingDocument runs each SQL block of docs/scaling.md on a schema of its own, which has a user and an item. Some blocks must
// also find or do what they say.
func TestScalingDocument(t *testing.T) {
	checks := map[string]func(t *testing.T, w *documented, rows [][]string){
		"-- Sizes.": func(t *testing.T, _ *documented, rows [][]string) {
			var tables []string
			for _, row := range rows {
				tables = append(tables, row[0])
			}
			require.Subset(t, tables, []string{"items", "item_versions", "chunks", "workspaces", "members", "users", "devices"})
		},
		"-- Hints that are owed.": func(t *testing.T, _ *documented, rows [][]string) {
			require.Equal(t, "1", rows[0][0], "the service has no notifier")
		},
		"-- New epochs after a restore.": func(t *testing.T, w *documented, _ [][]string) {
			_, err := w.service.Changes(t.Context(), stacksync.ChangesRequest{Actor: w.actor, Workspace: w.workspace, Cursor: w.cursor})
			require.ErrorIs(t, err, stacksync.ErrCursorEpoch)
		},
	}
	blocks := sqlBlocks(t, filepath.Join("..", "..", "docs", "scaling.md"))
	for start := range checks {
		found := 0
		for _, block := range blocks {
			if strings.HasPrefix(block, start) {
				found++
			}
		}
		require.Equal(t, 1, found, "blocks that begin with %q", start)
	}
	for _, block := range blocks {
		name, _, _ := strings.Cut(block, "\n")
		t.Run(name, func(t *testing.T) {
			w := newDocumented(t)
			rows := w.server.Query(t, "SET search_path = "+w.schema+"; "+block)
			for start, check := range checks {
				if strings.HasPrefix(block, start) {
					check(t, w, rows)
				}
			}
		})
	}
}

// documented is a schema as the document is about.
type documented struct {
	server    *pgtest.Server
	schema    string
	service   *service.Service
	actor     stacksync.Actor
	workspace stacksync.WorkspaceID
	cursor    stacksync.Cursor // after a commit
}

func newDocumented(t *testing.T) *documented {
	t.Helper()
	w := &documented{server: pgtest.Shared(t)}
	w.schema = w.server.Schema(t)
	store, err := pgstore.Open(t.Context(), pgstore.Config{DSN: w.server.DSN(), Schema: w.schema})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	w.service, err = service.New(store, service.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.service.Close()) })
	w.commit(t.Context(), t)
	return w
}

func (w *documented) commit(ctx context.Context, t *testing.T) {
	t.Helper()
	created, err := w.service.PutUser(ctx, stacksync.PutUserRequest{User: user})
	require.NoError(t, err)
	registered, err := w.service.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: stacksync.Actor{User: user}, Name: "left"})
	require.NoError(t, err)
	w.workspace, w.actor = created.User.DefaultWorkspace, stacksync.Actor{User: user, Device: registered.Device.ID}
	res, err := w.service.Commit(ctx, stacksync.CommitRequest{Actor: w.actor, Workspace: w.workspace, Proposals: []stacksync.Proposal{
		{Item: stacksync.NewItemID(), Version: 1, Name: "folder", Kind: stacksync.Folder},
	}})
	require.NoError(t, err)
	require.NoError(t, res.Outcomes[0].Err)
	page, err := w.service.Changes(ctx, stacksync.ChangesRequest{Actor: w.actor, Workspace: w.workspace})
	require.NoError(t, err)
	w.cursor = page.Cursor
	_, err = w.service.Changes(ctx, stacksync.ChangesRequest{Actor: w.actor, Workspace: w.workspace, Cursor: w.cursor})
	require.NoError(t, err)
}

// sqlBlocks returns the SQL blocks of a Markdown document.
func sqlBlocks(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	var blocks []string
	for i, part := range strings.Split("\n"+string(text), "\n```") {
		if i%2 == 1 && strings.HasPrefix(part, "sql\n") {
			blocks = append(blocks, strings.TrimPrefix(part, "sql\n"))
		}
	}
	require.NotEmpty(t, blocks)
	return blocks
}
