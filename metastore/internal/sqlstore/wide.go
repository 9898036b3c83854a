package sqlstore

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// source says where a row of a combined answer comes from.
type source int

// The sources. Their numbers are the first column.
const (
	fromWorkspaces source = iota
	fromUsers
	fromMembers
	fromDevices
	fromItems
	fromSuperseded
	fromChunks
	fromAncestors
	sources
)

// wide is the form of all rows of a combined answer: the source, and as many columns of each type as the tables need, so
// that rows of all tables can be put below each other (UNION ALL). A table's columns take the slots of their types in turn.
type wide struct {
	types []string           // SQL type of each slot
	of    [sources]placement // of each source
}

// placement says which slot each column of a table has.
type placement struct {
	alias string
	names []string // of columns
	slots []int    // of the columns
}

func newWide(t *tables) *wide {
	w := &wide{}
	w.place(fromWorkspaces, "w", t.workspaces.names(), t.workspaces.sqlTypes)
	w.place(fromUsers, "u", t.users.names(), t.users.sqlTypes)
	w.place(fromMembers, "m", t.members.names(), t.members.sqlTypes)
	w.place(fromDevices, "d", t.devices.names(), t.devices.sqlTypes)
	w.place(fromItems, "i", t.items.names(), t.items.sqlTypes)
	w.place(fromChunks, "c", t.chunks.names(), t.chunks.sqlTypes)
	w.of[fromSuperseded], w.of[fromAncestors] = w.of[fromItems], w.of[fromItems]
	return w
}

// place gives each column the first slot of its type that the columns before have left.
func (w *wide) place(from source, alias string, names, types []string) {
	p := placement{alias: alias, names: names}
	for _, typ := range types {
		slot := 0
		for slot < len(w.types) && (w.types[slot] != typ || slices.Contains(p.slots, slot)) {
			slot++
		}
		if slot == len(w.types) {
			w.types = append(w.types, typ)
		}
		p.slots = append(p.slots, slot)
	}
	w.of[from] = p
}

// columns returns the list after SELECT for rows of a source.
func (w *wide) columns(from source) string {
	p := &w.of[from]
	texts := make([]string, len(w.types))
	for slot, typ := range w.types {
		texts[slot] = "NULL::" + typ
	}
	for i, slot := range p.slots {
		texts[slot] = p.alias + "." + p.names[i]
	}
	return fmt.Sprintf("%d::bigint, %s", from, strings.Join(texts, ", "))
}

// sink takes the rows of a combined answer apart.
type sink struct {
	wide  *wide
	from  source
	dests [sources][]any // where the slots of each source go; nil: nowhere
	take  [sources]func()
}

// sinkTo makes rows of a source go to a list.
func sinkTo[R, M any](s *sink, from source, t *table[R, M], rows *[]R) {
	m, zero := new(M), *new(M)
	dests := make([]any, len(s.wide.types))
	for i, pointer := range t.pointers(nil, m) {
		dests[s.wide.of[from].slots[i]] = pointer
	}
	s.dests[from] = dests
	s.take[from] = func() {
		*rows = append(*rows, t.row(m))
		*m = zero
	}
}

// columns returns what to scan a row into.
func (s *sink) columns() []any {
	cells := make([]cell, len(s.wide.types))
	dest := make([]any, 0, 1+len(cells))
	dest = append(dest, (*sourceCell)(s))
	for i := range cells {
		cells[i] = cell{s, i}
		dest = append(dest, &cells[i])
	}
	return dest
}

// row is called when a row was scanned.
func (s *sink) row() { s.take[s.from]() }

// sourceCell is the first column: it decides where the others go.
type sourceCell sink

// Scan implements sql.Scanner.
func (c *sourceCell) Scan(src any) error {
	n, ok := src.(int64)
	if !ok || n < 0 || n >= int64(sources) || c.dests[n] == nil {
		return fmt.Errorf("unexpected source %v", src)
	}
	c.from = source(n)
	return nil
}

type cell struct {
	*sink
	slot int
}

// Scan implements sql.Scanner.
func (c *cell) Scan(src any) error {
	dest := c.dests[c.from][c.slot]
	if dest == nil {
		return nil
	}
	switch d := dest.(type) {
	case *string:
		if v, ok := src.(string); ok {
			*d = v
			return nil
		}
	case *int64:
		if v, ok := src.(int64); ok {
			*d = v
			return nil
		}
	case *bool:
		if v, ok := src.(bool); ok {
			*d = v
			return nil
		}
	case *uuid.UUID:
		if v, ok := src.([]byte); ok {
			id, err := uuid.ParseBytes(v)
			*d = id
			return err
		}
		return d.Scan(src) // another driver's
	case sql.Scanner:
		return d.Scan(src)
	}
	return fmt.Errorf("a %T does not go into a %T", src, dest)
}
