package metastoretest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stacksync/stacksync-go"
)

// step is a part of a transaction: one of its fields is set.
type step struct {
	put             *stacksync.PutParams
	remove          *stacksync.RemoveParams
	purge           *stacksync.PurgeParams // until nothing is left
	claim           *stacksync.ClaimHintsParams
	mark            *stacksync.MarkNotifiedParams
	claimOperations *stacksync.ClaimOperationsParams
}

// run does a step in the store and in the model.
func (st step) run(c change, m *model) {
	var err error
	switch {
	case st.put != nil:
		c.put(*st.put)
		m.put(*st.put)
	case st.remove != nil:
		c.remove(*st.remove)
		m.remove(*st.remove)
	case st.purge != nil:
		err = m.purge(c, *st.purge)
	case st.claim != nil:
		err = m.claim(*st.claim, c.claim(*st.claim))
	case st.claimOperations != nil:
		err = m.claimOperations(*st.claimOperations, c.claimOperations(*st.claimOperations))
	default:
		c.mark(*st.mark)
		m.mark(*st.mark)
	}
	if err != nil {
		panic(failure{err})
	}
}

// claiming is how rows of a kind are claimed.
type claiming[ID comparable, R any] struct {
	rows  map[ID]R
	id    func(R) ID
	due   func(R) (at time.Time, ok bool) // ok: there is something to claim
	claim func(R) R
}

// check is told what the store has claimed, since which of those with one due time it takes is its own choice. It keeps
// that, and returns what is wrong with it.
func (cl claiming[ID, R]) check(now time.Time, limit int, claimed []R) error {
	due := filter(cl.rows, func(row R) bool {
		at, ok := cl.due(row)
		return ok && !at.After(now)
	})
	at := func(row R) time.Time {
		at, _ := cl.due(row)
		return at
	}
	slices.SortFunc(due, func(a, b R) int { return at(a).Compare(at(b)) })
	if want := min(limit, len(due)); len(claimed) != want {
		return fmt.Errorf("claimed %d rows instead of %d: %+v", len(claimed), want, claimed)
	}
	seen := map[ID]bool{}
	for _, got := range claimed {
		id := cl.id(got)
		row := cl.rows[id]
		if _, ok := cl.due(row); !ok || at(row).After(at(due[len(claimed)-1])) {
			return fmt.Errorf("claimed %+v, which is not one of the %d longest due ones", row, limit)
		}
		if want := cl.claim(row); !equal(want, got) || seen[id] {
			return fmt.Errorf("claimed %+v instead of, once, %+v", got, want)
		}
		seen[id] = true
	}
	for _, row := range claimed {
		cl.rows[cl.id(row)] = row
	}
	return nil
}

func (m *model) claim(p stacksync.ClaimHintsParams, claimed stacksync.ClaimHintsResult) error {
	if err := checkHints(workspaceDebtor(), m.workspaces, p, claimed); err != nil {
		return err
	}
	return checkHints(userDebtor(), m.users, p, claimed)
}

func checkHints[ID comparable, R indebted](d debtor[ID, R], rows map[ID]R, p stacksync.ClaimHintsParams, claimed stacksync.ClaimHintsResult) error {
	due := func(row R) (time.Time, bool) {
		h := hintsOf(row)
		return h.HintDue, h.Revision > h.Notified
	}
	claim := func(row R) R { return dueAt(p.Until, row)[0] }
	if err := (claiming[ID, R]{rows, d.id, due, claim}).check(p.Now, p.Limit, *d.claimed(&claimed)); err != nil {
		return fmt.Errorf("ClaimHints of %s: %w", d.kind, err)
	}
	return nil
}

func (m *model) claimOperations(p stacksync.ClaimOperationsParams, claimed []stacksync.Operation) error {
	operations := claiming[stacksync.OperationID, stacksync.Operation]{
		rows:  m.operations,
		id:    func(op stacksync.Operation) stacksync.OperationID { return op.ID },
		due:   func(op stacksync.Operation) (time.Time, bool) { return op.Due, op.State == stacksync.OperationRunning },
		claim: func(op stacksync.Operation) stacksync.Operation { return claimedUntil(p.Until, op)[0] },
	}
	if err := operations.check(p.Now, p.Limit, claimed); err != nil {
		return fmt.Errorf("ClaimOperations: %w", err)
	}
	return nil
}

func (m *model) mark(p stacksync.MarkNotifiedParams) {
	markRows(m.workspaces, p.Notified, p.Due)
	markRows(m.users, p.Users, p.Due)
}

func markRows[ID comparable, R indebted](rows map[ID]R, revisions map[ID]int64, due time.Time) {
	for id, revision := range revisions {
		if row, ok := rows[id]; ok {
			rows[id] = kept(withHints(row, func(h *hints) {
				h.Notified, h.HintDue = max(h.Notified, min(revision, h.Revision)), due
			}))
		}
	}
}

func (m *model) remove(p stacksync.RemoveParams) {
	for _, k := range p.Members {
		delete(m.members, keyOf(stacksync.Member{Workspace: k.Workspace, User: k.User}))
	}
	for _, id := range p.Workspaces {
		delete(m.workspaces, id)
	}
	for _, id := range p.Users {
		delete(m.users, id)
		maps.DeleteFunc(m.devices, func(_ any, d stacksync.Device) bool { return d.User == id })
	}
	for _, id := range p.Operations {
		delete(m.operations, id)
	}
}

// purge purges a workspace until nothing is left: which rows go first is the store's choice.
func (m *model) purge(c change, p stacksync.PurgeParams) error {
	for left := m.purged(p.Workspace); ; {
		rows := c.purge(p)
		if rows > p.Limit || rows > left || (rows == 0) != (left == 0) {
			return fmt.Errorf("Purge deleted %d rows, at most %d, of %d", rows, p.Limit, left)
		}
		if rows == 0 {
			return nil
		}
		left -= rows
	}
}

// purged deletes what Purge does, and returns how many rows that are.
func (m *model) purged(w stacksync.WorkspaceID) int {
	before := len(m.items) + len(m.superseded) + len(m.chunks)
	maps.DeleteFunc(m.items, func(k stacksync.ItemKey, _ stacksync.ItemRow) bool { return k.Workspace == w })
	maps.DeleteFunc(m.superseded, func(k stacksync.VersionKey, _ stacksync.ItemRow) bool { return k.Workspace == w })
	maps.DeleteFunc(m.chunks, func(k stacksync.ChunkKey, _ stacksync.ChunkRow) bool { return k.Workspace == w })
	return before - len(m.items) - len(m.superseded) - len(m.chunks)
}
