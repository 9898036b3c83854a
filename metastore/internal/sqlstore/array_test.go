package sqlstore

import (
	"bytes"
	"database/sql"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// parse reads an array of text as PostgreSQL does: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO.
func parse(t testing.TB, literal string) (elements []string) {
	t.Helper()
	body, ok := strings.CutPrefix(literal, "{")
	require.True(t, ok)
	body, ok = strings.CutSuffix(body, "}")
	require.True(t, ok)
	for body != "" {
		require.Equal(t, byte('"'), body[0], "text is quoted, so that it can't be NULL, nor lose its blanks")
		var element []byte
		i := 1
		for ; body[i] != '"'; i++ {
			if body[i] == '\\' {
				i++
			}
			element = append(element, body[i])
		}
		elements = append(elements, string(element))
		if body = body[i+1:]; body != "" {
			require.Equal(t, byte(','), body[0])
			body = body[1:]
			require.NotEmpty(t, body)
		}
	}
	return elements
}

func FuzzArrayOfText(f *testing.F) {
	for _, s := range []string{"", "NULL", `"`, `\`, `\\"`, "{a,b}", "a,b", " a ", "日本", "\n\t\r", "\u202e", "'; --", "$1", "\x00", "\xff", "a\xc3"} {
		f.Add(s, "b")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		var list array
		for _, s := range []string{a, b} {
			err := list.add(&s)
			if bad := strings.ContainsRune(s, 0) || !utf8.ValidString(s); bad {
				require.ErrorIs(t, err, errText)
				return
			}
			require.NoError(t, err)
		}
		require.Equal(t, []string{a, b}, parse(t, list.literal()))
	})
}

func TestArrayElements(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("01234567-89ab-cdef-0123-456789abcdef")
	number, text, yes := int64(math.MinInt64), "a", true
	for want, elements := range map[string][]any{
		"{}": nil,
		"{01234567-89ab-cdef-0123-456789abcdef,00000000-0000-0000-0000-000000000000}": {&id, &uuid.UUID{}},
		"{-9223372036854775808,7}": {&number, int64(7)},
		"{true}":                   {&yes},
		`{"a","b"}`:                {&text, "b"},
		`{"\\x","\\x00ff",NULL}`:   {[]byte{}, []byte{0, 255}, nil},
		"{NULL,01234567-89ab-cdef-0123-456789abcdef}": {&optionalID{}, &optionalID{id}},
		"{NULL,5}": {sql.NullInt64{}, sql.NullInt64{Int64: 5, Valid: true}},
	} {
		var list array
		for _, e := range elements {
			require.NoError(t, list.add(e))
		}
		require.Equal(t, want, list.literal())
	}
	require.Error(t, new(array).add(1.5))
}

func TestLockArrays(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("01234567-89ab-cdef-0123-456789abcdef")
	workspaces, users, operations, err := LockArrays(stacksync.LockParams{Users: []stacksync.UserID{"a", `b"`}, Operations: []stacksync.OperationID{{UUID: id}}})
	require.NoError(t, err)
	require.Equal(t, []string{"{}", `{"a","b\""}`, "{01234567-89ab-cdef-0123-456789abcdef}"}, []string{workspaces, users, operations})
	_, _, _, err = LockArrays(stacksync.LockParams{Users: []stacksync.UserID{"a", "\x00"}})
	require.ErrorIs(t, err, errText)
}

func TestArrayOfBytes(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 100 {
		b := make([]byte, random.IntN(300))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		var list array
		require.NoError(t, list.add(b))
		text := parse(t, list.literal())[0]
		require.Len(t, text, 2+2*len(b))
		require.True(t, bytes.Equal([]byte(text[:2]), []byte(`\x`)))
	}
}
