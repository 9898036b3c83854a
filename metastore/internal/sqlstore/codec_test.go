package sqlstore

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func chunkListOf(names ...string) chunks {
	list := make(chunks, len(names))
	for i, name := range names {
		list[i] = stacksync.Chunk{Name: name, Size: int64(i) << 20}
	}
	return list
}

func TestChunksRoundTrip(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("0123456789abcdef", 4)
	extremes := chunks{{Name: "a", Size: 0}, {Name: "b", Size: math.MaxInt64}, {Name: "c", Size: -1}}
	for name, list := range map[string]chunks{
		"one":         chunkListOf(hash),
		"kinds":       chunkListOf(hash, "", "00", "0", "abc", "abcd", "ABCD", "g0", "Hash of it", strings.Repeat("x", 255), "ÿ\x00\xff"),
		"many":        chunkListOf(strings.Fields(strings.Repeat(hash+" ", 20_000))...),
		"many packed": chunkListOf(strings.Fields(strings.Repeat("ff ", 1000))...),
		"sizes":       extremes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			value, err := list.Value()
			require.NoError(t, err)
			got := chunks{{Name: "left over"}}
			require.NoError(t, got.Scan(value))
			require.Equal(t, list, got)
		})
	}
}

func TestChunkNames(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, name := range []string{
		"", "a", "ab", "AB", "0", "00", "000", "0001", "\x00\x01", "abcdef", "abcdeg", strings.Repeat("0123456789abcdef", 4), strings.Repeat("x", 255),
	} {
		value, err := chunkName(name).Value()
		require.NoError(t, err)
		require.Empty(t, seen[string(value.([]byte))], "two names are written alike")
		seen[string(value.([]byte))] = "name " + name
		got := chunkName("left over")
		require.NoError(t, got.Scan(value))
		require.EqualValues(t, name, got)
	}
	for _, damaged := range []any{nil, "text", []byte{}, []byte{4, 'a'}, []byte{2, 'a', 'b'}, []byte{0x80}} {
		require.Error(t, new(chunkName).Scan(damaged))
	}
}

func TestChunksAreCompact(t *testing.T) {
	t.Parallel()
	value, err := chunks{{Name: strings.Repeat("0123456789abcdef", 4), Size: 512 << 10}}.Value()
	require.NoError(t, err)
	require.Len(t, value, 1+1+1+32+3, "format, count, length, half a hash, size")
}

func TestEmptyIsNull(t *testing.T) {
	t.Parallel()
	for _, list := range []chunks{nil, {}} {
		value, err := list.Value()
		require.NoError(t, err)
		require.Nil(t, value)
	}
	for _, m := range []attrs{nil, {}} {
		value, err := m.Value()
		require.NoError(t, err)
		require.Nil(t, value)
	}
	value, err := micros{}.Value()
	require.NoError(t, err)
	require.Nil(t, value)

	list, m, at := chunkListOf("left over"), attrs{"left": "over"}, micros(time.Now())
	require.NoError(t, list.Scan(nil))
	require.NoError(t, m.Scan(nil))
	require.NoError(t, at.Scan(nil))
	require.Nil(t, list)
	require.Nil(t, m)
	require.True(t, at.time().IsZero())
}

func TestAttrs(t *testing.T) {
	t.Parallel()
	m := attrs{}
	for i := range 100 {
		m[fmt.Sprintf("key %d", i)] = strings.Repeat("ÿ\x00\xff", i)
	}
	m[""] = ""
	first, err := m.Value()
	require.NoError(t, err)
	for range 10 {
		again, err := m.Value()
		require.NoError(t, err)
		require.Equal(t, first, again, "the same map is always written in the same way")
	}
	got := attrs{"left": "over"}
	require.NoError(t, got.Scan(first))
	require.Equal(t, m, got)
}

func TestMicros(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 3600)
	for _, at := range []time.Time{
		time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Unix(0, 0),
		time.Date(2026, 11, 23, 12, 0, 0, 123_456_789, zone),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	} {
		value, err := micros(at).Value()
		require.NoError(t, err)
		var got micros
		require.NoError(t, got.Scan(value))
		require.Equal(t, at.UTC().Truncate(time.Microsecond), got.time())
	}
}

// The zero time is the first one where rows are ordered by time, and NULL elsewhere.
func TestInstant(t *testing.T) {
	t.Parallel()
	last := int64(math.MinInt64)
	for _, at := range []time.Time{{}, time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC), time.Unix(0, 0).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)} {
		value, err := instant(at).Value()
		require.NoError(t, err)
		require.Greater(t, value, last)
		last = value.(int64)
		got := instant(time.Now())
		require.NoError(t, got.Scan(value))
		require.Equal(t, at, got.time())
	}
	require.Error(t, new(instant).Scan(nil))
	require.Error(t, new(instant).Scan("text"))
}

func TestHintDue(t *testing.T) {
	t.Parallel()
	for _, due := range []time.Time{{}, time.Date(2026, 11, 23, 12, 0, 0, 123_456_000, time.UTC)} {
		owed := newHintDue(true, due)
		require.True(t, owed.Valid, "whoever owes is in the index, whenever it is due")
		require.Equal(t, due, owed.time())
		none := newHintDue(false, due)
		require.False(t, none.Valid)
		require.Zero(t, none.time())
	}
}

func TestOptionalID(t *testing.T) {
	t.Parallel()
	value, err := optionalID{}.Value()
	require.NoError(t, err)
	require.Nil(t, value)
	id := uuid.New()
	value, err = optionalID{id}.Value()
	require.NoError(t, err)
	for _, src := range []any{value, id[:], []byte(id.String())} { // as a driver has it: of SQLite, of PostgreSQL
		var got optionalID
		require.NoError(t, got.Scan(src))
		require.Equal(t, id, got.UUID)
		require.NoError(t, got.Scan(nil))
		require.Zero(t, got, "nothing is left over of another row")
	}
	require.Error(t, new(optionalID).Scan("damaged"))
}

func TestDamagedValues(t *testing.T) {
	t.Parallel()
	for _, b := range []string{
		"", "00", "02", "01", "0101", "010180", "01ffffffffffffffffff01", "0180808080808080808080", "0102000000",
		"010102", "01010261", "0101000000",
	} {
		raw, err := hex.DecodeString(b)
		require.NoError(t, err)
		var list chunks
		require.ErrorIs(t, list.Scan(raw), errEncoding, b)
		require.Nil(t, list)
		var m attrs
		require.ErrorIs(t, m.Scan(raw), errEncoding, b)
		require.Nil(t, m)
	}
	require.Error(t, new(chunks).Scan("text"))
	require.Error(t, new(attrs).Scan(int64(1)))
	require.Error(t, new(micros).Scan("text"))
}

// What can be read is read the same after it was written again. What can't is an error, and takes no more memory than it has bytes.
func FuzzChunks(f *testing.F) {
	for _, list := range []chunks{chunkListOf("abcd", "x", ""), chunkListOf(strings.Repeat("ff", 32)), {{Name: "a", Size: -1}}} {
		value, err := list.Value()
		require.NoError(f, err)
		f.Add(value.([]byte))
	}
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		var list chunks
		if list.Scan(b) != nil {
			require.Nil(t, list)
			return
		}
		require.LessOrEqual(t, len(list), len(b)/2)
		value, err := list.Value()
		require.NoError(t, err)
		if value == nil {
			require.Empty(t, list)
			return
		}
		var again chunks
		require.NoError(t, again.Scan(value))
		require.Equal(t, list, again)
	})
}

func FuzzAttrs(f *testing.F) {
	value, err := attrs{"a": "b", "": "long value"}.Value()
	require.NoError(f, err)
	f.Add(value.([]byte))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m attrs
		if m.Scan(b) != nil {
			require.Nil(t, m)
			return
		}
		require.LessOrEqual(t, len(m), len(b)/2)
		value, err := m.Value()
		require.NoError(t, err)
		if value == nil {
			require.Empty(t, m)
			return
		}
		var again attrs
		require.NoError(t, again.Scan(value))
		require.Equal(t, m, again)
	})
}

func BenchmarkChunks(b *testing.B) {
	list := chunkListOf(strings.Fields(strings.Repeat(strings.Repeat("0123456789abcdef", 4)+" ", 100))...)
	value, err := list.Value()
	require.NoError(b, err)
	b.Run("encode 100", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = list.Value()
		}
	})
	b.Run("decode 100", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = list.Scan(value)
		}
	})
}
