package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/stacksync/stacksync-go"
)

// The columns that operations are looked up by.
const (
	byID = iota
	byWorkspace
	bySource
	byUser
	operationColumns
)

// journal makes the statements about operations. Of each key, as many of the newest are looked at as are asked for in all: there may be
// many more. Only those that remain are read, since their data may be long.
func (t *tables) journal(b builder) {
	columns := strings.Join(t.operations.names(), ", ")
	t.claimOperations = b.claim(t.qualified.operations, "due", fmt.Sprintf(" AND state = %d", stacksync.OperationRunning), ", fence = fence + 1", columns)
	t.stoppedOperations = fmt.Sprintf("SELECT %s FROM %s AS o WHERE o.state = %d ORDER BY o.created_at, o.id LIMIT %s",
		strings.Join(t.operations.columns("o"), ", "), t.qualified.operations, stacksync.OperationStopped, b.limit(1))
	names := [operationColumns]string{byID: "id", byWorkspace: "workspace_id", bySource: "source_id", byUser: "user_id"}
	types := [operationColumns]string{byID: "uuid", byWorkspace: "uuid", bySource: "uuid", byUser: "text"}
	newest := func(column, key, state, limit string) string {
		return fmt.Sprintf("SELECT o.id, o.created_at FROM %s AS o WHERE o.%s = %s AND %s IN (0, o.state) ORDER BY o.created_at DESC, o.id DESC LIMIT %s",
			t.qualified.operations, column, key, state, limit)
	}
	arg := b.dialect.Placeholder
	if b.dialect.Combined {
		ids, workspaces, users := arg(1, "uuid[]"), arg(2, "uuid[]"), arg(3, "text[]")
		state, limit := arg(4, "bigint"), arg(5, "bigint")
		parts := make([]string, operationColumns)
		for i, keys := range [operationColumns]string{byID: ids, byWorkspace: workspaces, bySource: workspaces, byUser: users} {
			parts[i] = fmt.Sprintf("SELECT n.id, n.created_at FROM unnest(%s) AS k (key) CROSS JOIN LATERAL (%s) AS n",
				keys, newest(names[i], "k.key", state, limit))
		}
		t.operationsOfArrays = fmt.Sprintf(`WITH found AS MATERIALIZED (SELECT f.id FROM (%s) AS f ORDER BY f.created_at DESC, f.id DESC LIMIT %s)
			SELECT %s FROM found CROSS JOIN %s AS o WHERE o.id = found.id`,
			strings.Join(parts, " UNION "), limit, strings.Join(t.operations.columns("o"), ", "), t.qualified.operations)
		return
	}
	t.operationByID = b.lookup(operationsTable, (*operationModel)(nil), []string{"uuid"}, "o.id = k.column1")
	for i, name := range names {
		t.operationsOf[i] = b.keyedText(types[i:i+1], func(values string, n int) string {
			return fmt.Sprintf("SELECT p.id, p.created_at FROM (%s) AS k CROSS JOIN %s AS p WHERE p.id IN (SELECT id FROM (%s))",
				values, t.qualified.operations, newest(name, "k.column1", arg(n+1, "bigint"), b.limit(n+2)))
		})
	}
}

// found is an operation by what it is ordered by.
type found struct {
	id      uuid.UUID
	created time.Time
}

// newestFirst orders operations as JournalReader.Operations does.
func newestFirst(a, b found) int {
	return cmp.Or(b.created.Compare(a.created), bytes.Compare(b.id[:], a.id[:]))
}

// Operations is that of stacksync.JournalReader.
func (r *reader) Operations(ctx context.Context, p stacksync.OperationsParams) (stacksync.OperationsResult, error) {
	if err := checkLimit(p.Limit); err != nil {
		return stacksync.OperationsResult{}, err
	}
	p.IDs, p.Workspaces, p.Users = unique(p.IDs), unique(p.Workspaces), unique(p.Users)
	if len(p.IDs)+len(p.Workspaces)+len(p.Users) == 0 {
		return stacksync.OperationsResult{}, nil
	}
	read := r.operationsByKey
	if r.tables.wide != nil {
		read = r.operationsCombined
	}
	rows, err := read(ctx, p)
	if err != nil {
		return stacksync.OperationsResult{}, err
	}
	slices.SortFunc(rows, func(a, b stacksync.Operation) int {
		return newestFirst(found{a.ID.UUID, a.CreatedAt}, found{b.ID.UUID, b.CreatedAt})
	})
	return stacksync.OperationsResult{Operations: rows}, nil
}

func (r *reader) operationsCombined(ctx context.Context, p stacksync.OperationsParams) (rows []stacksync.Operation, err error) {
	workspaces, users, ids, err := idArrays(p.Workspaces, p.Users, p.IDs)
	if err != nil {
		return nil, fmt.Errorf("read operations: %w", err)
	}
	args := []any{ids, workspaces, users, int64(p.State), int64(p.Limit)}
	return rows, r.tables.operations.query(ctx, r.transaction, r.tables.operationsOfArrays, args, &rows)
}

func (r *reader) operationsByKey(ctx context.Context, p stacksync.OperationsParams) (rows []stacksync.Operation, err error) {
	seen := map[found]bool{}
	// After a failure the transaction refuses the rest.
	err = cmp.Or(
		findOperations(ctx, r, byID, p, p.IDs, operationArgs, seen),
		findOperations(ctx, r, byWorkspace, p, p.Workspaces, workspaceArgs, seen),
		findOperations(ctx, r, bySource, p, p.Workspaces, workspaceArgs, seen),
		findOperations(ctx, r, byUser, p, p.Users, userArgs, seen),
	)
	if err != nil {
		return nil, fmt.Errorf("look for operations: %w", err)
	}
	newest := slices.SortedFunc(maps.Keys(seen), newestFirst)
	ids := make([]stacksync.OperationID, 0, p.Limit)
	for _, f := range newest[:min(len(newest), p.Limit)] {
		ids = append(ids, stacksync.OperationID{UUID: f.id})
	}
	return rows, lookUp(ctx, r.transaction, &r.tables.operationByID, ids, operationArgs, r.tables.operations, &rows)
}

// findOperations adds what is found by a column.
func findOperations[K any](
	ctx context.Context, r *reader, column int, p stacksync.OperationsParams, keys []K, key func(args []any, k *K) []any, seen map[found]bool,
) error {
	return inSizes(&r.tables.operationsOf[column], keys, key, func(text string, args []any) error {
		var id uuid.UUID
		var created instant
		return r.query(ctx, text, append(args, int64(p.State), int64(p.Limit)), []any{&id, &created}, func() bool {
			seen[found{id, created.time()}] = true
			return true
		})
	})
}

// StoppedOperations is that of stacksync.JournalReader.
func (r *reader) StoppedOperations(ctx context.Context, p stacksync.StoppedOperationsParams) (stacksync.StoppedOperationsResult, error) {
	if err := checkLimit(p.Limit); err != nil {
		return stacksync.StoppedOperationsResult{}, err
	}
	var res stacksync.StoppedOperationsResult
	err := r.tables.operations.query(ctx, r.transaction, r.tables.stoppedOperations, []any{int64(p.Limit)}, &res.Operations)
	return res, err
}

// ClaimOperations is that of stacksync.Journal.
func (w *writer) ClaimOperations(ctx context.Context, p stacksync.ClaimOperationsParams) (stacksync.ClaimOperationsResult, error) {
	if err := checkLimit(p.Limit); err != nil {
		return stacksync.ClaimOperationsResult{}, err
	}
	var res stacksync.ClaimOperationsResult
	args := []any{p.Now.UnixMicro(), int64(p.Limit), p.Until.UnixMicro()}
	if err := w.tables.operations.query(ctx, w.transaction, w.tables.claimOperations, args, &res.Operations); err != nil {
		return stacksync.ClaimOperationsResult{}, fmt.Errorf("claim operations: %w", err)
	}
	return res, nil
}
