package sqlstore

import (
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/stacksync/stacksync-go"
)

// micros is a time as whole microseconds since 1970 in UTC, which holds all years from 1 to 9999. The zero time is NULL.
type micros time.Time

func (m micros) time() time.Time { return time.Time(m) }

// Value implements driver.Valuer.
func (m micros) Value() (driver.Value, error) {
	if m.time().IsZero() {
		return nil, nil
	}
	return m.time().UnixMicro(), nil
}

// Scan implements sql.Scanner.
func (m *micros) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*m = micros{}
	case int64:
		*m = micros(time.UnixMicro(v).UTC())
	default:
		return fmt.Errorf("a %T is no time", src)
	}
	return nil
}

// instant is a time in a column that things are ordered or picked by: as micros, but that the zero time is a number too, the lowest.
type instant time.Time

func (i instant) time() time.Time { return time.Time(i) }

// Value implements driver.Valuer.
func (i instant) Value() (driver.Value, error) { return i.time().UnixMicro(), nil }

// Scan implements sql.Scanner.
func (i *instant) Scan(src any) error {
	v, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a %T is no time", src)
	}
	*i = instant(time.UnixMicro(v).UTC())
	return nil
}

// hintDue is an instant, or NULL where no hint is owed, so that an index has the others only, and changes only when a debt
// begins and ends.
type hintDue struct{ sql.NullInt64 }

func newHintDue(owed bool, due time.Time) hintDue {
	if !owed {
		return hintDue{}
	}
	return hintDue{sql.NullInt64{Int64: due.UnixMicro(), Valid: true}}
}

// time is zero where no hint is owed.
func (h hintDue) time() time.Time {
	if !h.Valid {
		return time.Time{}
	}
	return time.UnixMicro(h.Int64).UTC()
}

// optionalID is an id, or NULL for the zero one.
type optionalID struct{ uuid.UUID }

// Value implements driver.Valuer.
func (o optionalID) Value() (driver.Value, error) {
	if o.UUID == uuid.Nil {
		return nil, nil
	}
	return o.UUID.Value()
}

// Scan implements sql.Scanner.
func (o *optionalID) Scan(src any) error {
	o.UUID = uuid.Nil // which its own Scan leaves as it is, for NULL
	return o.UUID.Scan(src)
}

// chunkName is the name of a chunk as bytes: a uvarint, which is the length shifted left by one, then the bytes. The lowest
// bit says that the name is lower-case hex, as hashes are, and that the bytes (as many as the length says) are what it
// stands for. With half the key, a Put of new chunks, whose names are spread over the whole tree, takes a fifth less time.
type chunkName string

// chunks is a chunk list as one value, attrs a map as one: read and written as a whole, they need no rows of their own.
// Both begin with a byte that says how the rest is written. An empty list or map is NULL.
//
// A chunk list goes on with the number of chunks, and for each the name as above and the size. Numbers are uvarints.
type chunks []stacksync.Chunk

// attrs is written as the number of pairs, and for each, by key, the length of the key, the key, the length of the value, the value.
type attrs map[string]string

const (
	chunksFormat = 1
	attrsFormat  = 1
	packed       = 1 // the bit of a chunk name's length
)

var errEncoding = errors.New("damaged value")

// Value implements driver.Valuer.
func (n chunkName) Value() (driver.Value, error) {
	return appendName(make([]byte, 0, len(n)+binary.MaxVarintLen16), string(n)), nil
}

// Scan implements sql.Scanner.
func (n *chunkName) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok {
		return fmt.Errorf("a %T is no chunk name", src)
	}
	d, name := decoder{rest: b}, strings.Builder{}
	name.Grow(2 * len(b))
	d.name(&name)
	if err := d.end(); err != nil {
		return fmt.Errorf("chunk name: %w", err)
	}
	*n = chunkName(name.String())
	return nil
}

// Value implements driver.Valuer.
func (c chunks) Value() (driver.Value, error) {
	if len(c) == 0 {
		return nil, nil
	}
	size := 1 + binary.MaxVarintLen32
	for i := range c {
		size += len(c[i].Name) + binary.MaxVarintLen16 + binary.MaxVarintLen32
	}
	b := append(make([]byte, 0, size), chunksFormat)
	b = binary.AppendUvarint(b, uint64(len(c)))
	for i := range c {
		b = appendName(b, c[i].Name)
		b = binary.AppendUvarint(b, uint64(c[i].Size)) // a negative size, which nobody has, comes back as it was
	}
	return b, nil
}

// Scan implements sql.Scanner.
func (c *chunks) Scan(src any) error {
	*c = nil
	b, err := encoded("chunk list", src, chunksFormat)
	if err != nil || b == nil {
		return err
	}
	d := decoder{rest: b}
	n := d.count()
	list := make([]stacksync.Chunk, 0, n)
	// The names are parts of one string, as a list can have thousands. It never grows beyond what it has from the start, so
	// that the parts that were taken stay where they are.
	var names strings.Builder
	names.Grow(2 * len(b))
	for range n {
		start := names.Len()
		d.name(&names)
		list = append(list, stacksync.Chunk{Name: names.String()[start:], Size: int64(d.uvarint())})
	}
	if err := d.end(); err != nil {
		return fmt.Errorf("chunk list: %w", err)
	}
	*c = list
	return nil
}

// appendName appends a chunk name as chunkName is written.
func appendName(b []byte, name string) []byte {
	if !isHex(name) {
		b = binary.AppendUvarint(b, uint64(len(name))<<1)
		return append(b, name...)
	}
	b = binary.AppendUvarint(b, uint64(len(name)/2)<<1|packed)
	for i := 0; i < len(name); i += 2 {
		b = append(b, nibble(name[i])<<4|nibble(name[i+1]))
	}
	return b
}

func isHex(s string) bool {
	if len(s)%2 != 0 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// nibble returns the value of a lower-case hex digit.
func nibble(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// Value implements driver.Valuer.
func (a attrs) Value() (driver.Value, error) {
	if len(a) == 0 {
		return nil, nil
	}
	b := binary.AppendUvarint([]byte{attrsFormat}, uint64(len(a)))
	for _, key := range slices.Sorted(maps.Keys(a)) {
		for _, s := range [...]string{key, a[key]} {
			b = binary.AppendUvarint(b, uint64(len(s)))
			b = append(b, s...)
		}
	}
	return b, nil
}

// Scan implements sql.Scanner.
func (a *attrs) Scan(src any) error {
	*a = nil
	b, err := encoded("attributes", src, attrsFormat)
	if err != nil || b == nil {
		return err
	}
	d := decoder{rest: b}
	n := d.count()
	m := make(map[string]string, n)
	for range n {
		key := string(d.bytes(d.uvarint()))
		m[key] = string(d.bytes(d.uvarint()))
	}
	if err := d.end(); err != nil {
		return fmt.Errorf("attributes: %w", err)
	}
	*a = m
	return nil
}

// encoded returns what follows the format byte; nil for NULL.
func encoded(what string, src any, format byte) ([]byte, error) {
	if src == nil {
		return nil, nil
	}
	b, ok := src.([]byte)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s: a %T is none", what, src)
	case len(b) == 0:
		return nil, fmt.Errorf("%s: %w: no format", what, errEncoding)
	case b[0] != format:
		return nil, fmt.Errorf("%s: %w: format %d is unknown", what, errEncoding, b[0])
	}
	return b[1:], nil
}

// decoder reads numbers and bytes until something does not fit. From then on it reads zeros.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(reason string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", errEncoding, reason)
	}
	d.rest = nil
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail("number expected")
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail("cut short")
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// name reads what appendName has written.
func (d *decoder) name(to *strings.Builder) {
	const digits = "0123456789abcdef"
	length := d.uvarint()
	b := d.bytes(length >> 1)
	if length&packed == 0 {
		to.Write(b)
		return
	}
	for _, c := range b {
		to.WriteByte(digits[c>>4])
		to.WriteByte(digits[c&0xf])
	}
}

// count reads a number of elements, each of which takes at least two bytes: what is allocated for them is bounded by the input.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.rest)/2) {
		d.fail("more elements than bytes")
		return 0
	}
	return int(n)
}

func (d *decoder) end() error {
	if d.err == nil && len(d.rest) != 0 {
		d.fail("bytes left over")
	}
	return d.err
}
