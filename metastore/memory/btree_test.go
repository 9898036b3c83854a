package memory

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// snapshot is a table and what it must hold.
type snapshot struct {
	table table[int, int]
	model map[int]int
}

// TestTableAgainstMap changes a table in transactions, some of which are dropped, and compares it and the snapshots
// taken on the way with plain maps.
func TestTableAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		current := snapshot{table[int, int]{compare: cmp.Compare[int]}, map[int]int{}}
		var taken []snapshot
		for range rapid.IntRange(1, 5).Draw(t, "transactions") {
			next := snapshot{current.table, maps.Clone(current.model)}
			o := new(owner)
			for range rapid.IntRange(1, 6).Draw(t, "runs") {
				changeRun(t, o, &next)
			}
			checkTree(t, &next.table)
			taken = append(taken, current)
			if rapid.Bool().Draw(t, "commit") {
				current = next
			} else {
				taken = append(taken, next)
			}
		}
		for _, s := range append(taken, current) {
			checkSnapshot(t, s)
		}
	})
}

// changeRun sets or deletes a run of keys: single ones would hardly ever make a tree of three levels.
func changeRun(t *rapid.T, o *owner, s *snapshot) {
	const keys = 2000
	first := rapid.IntRange(0, keys).Draw(t, "first")
	count := rapid.SampledFrom([]int{1, 2, 40, 800}).Draw(t, "count")
	step := rapid.SampledFrom([]int{1, -1, 7, 617}).Draw(t, "step")
	if rapid.Bool().Draw(t, "delete") {
		for i := range count {
			k := (first + i*step) % keys
			s.table.delete(o, k)
			delete(s.model, k)
		}
		return
	}
	v := rapid.Int().Draw(t, "value")
	for i := range count {
		k := (first + i*step) % keys
		s.table.set(o, k, v+i)
		s.model[k] = v + i
	}
}

func checkSnapshot(t *rapid.T, s snapshot) {
	want := slices.Sorted(maps.Keys(s.model))
	for _, k := range want {
		if v, ok := s.table.get(k); !ok || v != s.model[k] {
			t.Fatalf("key %d: want %d, got %d (%t)", k, s.model[k], v, ok)
		}
	}
	probe := rapid.IntRange(-2100, 2100).Draw(t, "probe")
	_, inModel := s.model[probe]
	_, inTable := s.table.get(probe)
	require.Equal(t, inModel, inTable, "key %d", probe)

	at, _ := slices.BinarySearch(want, probe)
	var up, down []int
	for k, v := range s.table.from(probe) {
		if v != s.model[k] {
			t.Fatalf("key %d: want %d, got %d", k, s.model[k], v)
		}
		up = append(up, k)
	}
	require.True(t, slices.Equal(want[at:], up), "from %d: want %v, got %v", probe, want[at:], up)
	for k := range s.table.below(probe) {
		down = append(down, k)
	}
	slices.Reverse(down)
	require.True(t, slices.Equal(want[:at], down), "below %d: want %v, got %v", probe, want[:at], down)

	for range s.table.from(probe) {
		break // must be possible anywhere
	}
	for range s.table.below(probe) {
		break
	}
}

// checkTree checks what the tree promises itself: filled nodes, all leaves at one depth, keys where searches look.
func checkTree(t *rapid.T, tab *table[int, int]) {
	if tab.root == nil {
		return
	}
	require.NotEmpty(t, tab.root.keys)
	depths := map[int]bool{}
	var walk func(n *node[int, int], depth int, low, high *int)
	walk = func(n *node[int, int], depth int, low, high *int) {
		require.LessOrEqual(t, len(n.keys), maxEntries)
		if n != tab.root {
			require.GreaterOrEqual(t, len(n.keys), minEntries)
		}
		if n.isLeaf() {
			require.Len(t, n.values, len(n.keys))
			require.True(t, slices.IsSorted(n.keys))
			require.True(t, low == nil || n.keys[0] >= *low)
			require.True(t, high == nil || n.keys[len(n.keys)-1] < *high)
			depths[depth] = true
			return
		}
		require.Len(t, n.children, len(n.keys))
		for i, c := range n.children {
			l, h := low, high
			if i > 0 {
				l = &n.keys[i]
			}
			if i+1 < len(n.keys) {
				h = &n.keys[i+1]
			}
			walk(c, depth+1, l, h)
		}
	}
	walk(tab.root, 0, nil, nil)
	require.Len(t, depths, 1, "leaves lie at different depths")
}
