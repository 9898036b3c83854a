package postgres

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// oddTexts would be read as something else, if they were not quoted as they should.
var oddTexts = []string{
	"", "NULL", "null", `"`, `\`, `\\`, `\"`, `""`, "{", "}", "{}", "{a,b}", "a,b", ",", " ", " a ", "'", "''", "'; DROP TABLE users; --", "$1", "?",
	"; COMMIT", "\n", "\r\n", "\t", "\x01", "\x7f", "日本", "é", "e\u0301", "\u202e", "\U0001F600", "\ufeff", "\\x00", "\\000", "E'\\n'", strings.Repeat(`\"`, 500),
}

// TestValuesTravelAsTheyAre sends values of all types in one statement, and reads them by themselves.
func TestValuesTravelAsTheyAre(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	texts := append([]string(nil), oddTexts...)
	for range 200 {
		var b strings.Builder
		for range random.IntN(12) {
			b.WriteString(oddTexts[random.IntN(len(oddTexts)-1)])
		}
		texts = append(texts, b.String())
	}
	store := openStore(t, fresh(t, pgtest.Shared(t)))
	w := workspaceID(1)
	numbers := []int64{0, 1, -1, math.MaxInt64, math.MinInt64}
	var p stacksync.PutParams
	var load stacksync.LoadParams
	want := map[stacksync.ItemID]stacksync.ItemRow{}
	for i, text := range texts {
		row := stacksync.ItemRow{Workspace: w, NameKey: fmt.Sprint(i, text), Item: stacksync.Item{
			ID: stacksync.ItemID{UUID: uuid.UUID(random16(random))}, Parent: stacksync.ItemID{UUID: uuid.UUID(random16(random))},
			Version: numbers[i%5], Revision: int64(i + 1), Status: stacksync.StatusNew, Deleted: i%3 == 0, Name: text, Kind: stacksync.File,
			Size: numbers[(i+1)%5], Checksum: text, MediaType: text, User: stacksync.UserID(text), CommittedAt: time.UnixMicro(random.Int64N(1e15)).UTC(),
			Attrs: map[string]string{text: text}, Chunks: []stacksync.Chunk{{Name: fmt.Sprintf("%x", sha256.Sum256([]byte(text))), Size: 3}, {Name: "plain " + fmt.Sprint(i), Size: 4}},
		}}
		want[row.ID] = row
		p.Items = append(p.Items, row)
		p.Chunks = append(p.Chunks, stacksync.ChunkRow{Workspace: w, Chunk: row.Chunks[1]})
		load.Items = append(load.Items, stacksync.ItemKey{Workspace: w, Item: row.ID})
		load.Chunks = append(load.Chunks, stacksync.ChunkKey{Workspace: w, Name: row.Chunks[1].Name})
		if !row.Deleted {
			load.Names = append(load.Names, stacksync.NameKey{Workspace: w, Parent: row.Parent, Key: row.NameKey})
		}
	}
	require.NoError(t, put(t.Context(), store, p))
	res, err := store.Load(t.Context(), load)
	require.NoError(t, err)
	require.Len(t, res.Items, len(load.Items)+len(load.Names))
	for _, row := range res.Items {
		require.Equal(t, want[row.ID], row)
	}
	require.ElementsMatch(t, p.Chunks, res.Chunks)
}

func random16(random *rand.Rand) (b [16]byte) {
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// What the database can't hold is an error, and is not cut or changed.
func TestTextThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	store := openStore(t, fresh(t, pgtest.Shared(t)))
	for _, bad := range []string{"a\x00b", "\x00", "\xff", "a\xc3", "\xed\xa0\x80"} {
		p := account(1)
		p.Devices = []stacksync.Device{{User: "user-1", Name: bad}}
		require.Error(t, put(t.Context(), store, p), "%q", bad)
		require.Empty(t, users(t, store, "user-1"))
		require.Error(t, lock(t.Context(), store, stacksync.LockParams{Users: []stacksync.UserID{stacksync.UserID(bad)}}, func() error { return nil }))
		_, err := store.Load(t.Context(), stacksync.LoadParams{Names: []stacksync.NameKey{{Workspace: workspaceID(1), Key: bad}}})
		require.Error(t, err)
	}
}
