package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// chunkBytes is what a chunk takes in a chunk list at most: a name of 255 bytes, its length and the size.
const chunkBytes = 2 + 255 + 10

// changesCombined is Changes in one statement.
//
// The page also ends, in the database, with the row whose chunk lists bring it to so many bytes that PageBound.Chunks are
// reached for sure; where it ends exactly is seen here. The length of a list is known without reading the list.
func (r *reader) changesCombined(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
	t := r.tables
	asked := p.Access != stacksync.AccessKey{}
	s := r.statement('C', true, asked, !p.Access.Device.IsZero())
	var rows stacksync.ChangesRows
	to := &sink{wide: t.wide}
	sinkTo(to, fromItems, t.items, &rows.Items)
	sinkTo(to, fromAncestors, t.items, &rows.Ancestors)
	member := "true"
	if asked {
		s.access([]stacksync.AccessKey{p.Access}, &rows.AccessRows, to)
		member = fmt.Sprintf("EXISTS (SELECT FROM %s AS m WHERE m.workspace_id = %s AND m.user_id = %s)",
			t.qualified.members, s.arg("uuid", &p.Access.Workspace.UUID), s.arg("text", string(p.Access.User)))
	}
	workspace, after := s.arg("uuid", &p.Workspace.UUID), s.arg("bigint", p.After)
	most := int64(math.MaxInt64)
	if p.Chunks > 0 {
		most = chunkBytes * int64(p.Chunks)
	}
	s.with(`page AS MATERIALIZED (SELECT * FROM (
			SELECT *, sum(coalesce(octet_length(chunks), 0)) OVER (ORDER BY revision ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
			FROM (SELECT * FROM %s AS i WHERE i.workspace_id = %s AND i.revision > 0 AND i.revision > %s
				AND (NOT i.deleted OR i.revision > %s) AND %s
				ORDER BY i.revision LIMIT %s) AS i) AS i WHERE before IS NULL OR before < %s)`,
		t.qualified.items, workspace, after, s.arg("bigint", p.LiveThrough), member, s.arg("bigint", int64(p.Limit)), s.arg("bigint", most))
	s.with(`above (item) AS (SELECT parent_id FROM page WHERE NOT deleted
			UNION SELECT i.parent_id FROM above CROSS JOIN LATERAL (SELECT * FROM %s AS i WHERE i.workspace_id = %s AND i.item_id = above.item AND i.revision > %s OFFSET 0) AS i)`,
		t.qualified.items, workspace, after)
	s.rows(fromItems, "page AS i")
	s.rows(fromAncestors, `above CROSS JOIN LATERAL (SELECT * FROM %s AS i WHERE i.workspace_id = %s AND i.item_id = above.item AND i.revision > %s OFFSET 0) AS i
		WHERE NOT EXISTS (SELECT FROM page WHERE page.item_id = i.item_id)`, t.qualified.items, workspace, after)
	if err := s.query(ctx, to); err != nil {
		return stacksync.ChangesRows{}, fmt.Errorf("read changes: %w", err)
	}
	// They come in this order, but SQL promises none.
	slices.SortFunc(rows.Items, func(a, b stacksync.ItemRow) int { return cmp.Compare(a.Revision, b.Revision) })
	if err := inOrder(p.After, rows.Items); err != nil {
		return stacksync.ChangesRows{}, err
	}
	endPage(&rows, p.PageBound)
	return rows, nil
}

// endPage leaves out the items after the one that ends the page, and then the ancestors that only they need.
func endPage(rows *stacksync.ChangesRows, bound stacksync.PageBound) {
	n := 0
	for ends := bound.Ends(); n < len(rows.Items); {
		n++
		if ends(&rows.Items[n-1]) {
			break
		}
	}
	if n == len(rows.Items) {
		return
	}
	page := make(map[stacksync.ItemID]*stacksync.ItemRow, n)
	for i := range rows.Items[:n] {
		page[rows.Items[i].ID] = &rows.Items[i]
	}
	unseen := make(map[stacksync.ItemID]*stacksync.ItemRow, len(rows.Ancestors)+len(rows.Items)-n)
	for _, list := range [][]stacksync.ItemRow{rows.Items[n:], rows.Ancestors} {
		for i := range list {
			unseen[list[i].ID] = &list[i]
		}
	}
	ancestors := make([]stacksync.ItemRow, 0, len(rows.Ancestors))
	passed := make(map[stacksync.ItemID]bool)
	for i := range rows.Items[:n] {
		if rows.Items[i].Deleted {
			continue
		}
		for id := rows.Items[i].Parent; !passed[id]; {
			passed[id] = true
			above := page[id]
			if above == nil {
				if above = unseen[id]; above == nil {
					break
				}
				ancestors = append(ancestors, *above)
			}
			id = above.Parent
		}
	}
	rows.Items, rows.Ancestors = rows.Items[:n:n], ancestors
}
