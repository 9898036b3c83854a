package dir

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPlacesAfter: a page takes no more places than it needs, and the places after one another's last are all places, in
// order, however many a page takes.
func TestPlacesAfter(t *testing.T) {
	s, _ := opened(t, Config{NoSync: true})
	var want []place
	for _, shard := range []string{"00", "07", "ff"} {
		for _, name := range namesInShard(shard, 30) {
			require.NoError(t, s.write(t, "c", name, ""))
			want = append(want, placeOf(name))
		}
	}
	for i := range 3 {
		name := fmt.Sprint("short ", i)
		require.NoError(t, s.write(t, "c", name, ""))
		want = append(want, placeOf(name))
	}
	slices.SortFunc(want, func(a, b place) int { return slices.Compare([]string{a.shard, a.file}, []string{b.shard, b.file}) })

	c, err := s.openContainer("c")
	require.NoError(t, err)
	defer c.Close()
	for _, most := range []int{1, 7, 30, 31, 1000} {
		var got []place
		for after := (place{}); ; after = got[len(got)-1] {
			places, err := placesAfter(t.Context(), c, after, most)
			require.NoError(t, err)
			require.LessOrEqual(t, len(places), most)
			if len(places) == 0 {
				break
			}
			got = append(got, places...)
		}
		require.Equal(t, want, got)
	}
	files, err := filesAfter(t.Context(), c, "07", "", 3)
	require.NoError(t, err)
	require.Len(t, files, 3)
}
