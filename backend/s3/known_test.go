package s3

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Who writes to a container hears of its deletion, also when it had to make room for others meanwhile.
func TestDroppedContainersHearOfTheirDeletion(t *testing.T) {
	t.Parallel()
	var k containers
	now := time.Now()
	held := k.add("held", now, 0)
	for round := range 3 {
		for i := range 2 * mostKnown {
			require.NotNil(t, k.add(fmt.Sprint(round, " ", i), now, 0))
		}
		now = now.Add(2 * knownFor)
	}
	require.LessOrEqual(t, len(k.byName), mostKnown)
	c, _ := k.get("held", now)
	require.Nil(t, c, "it is not known any more")
	require.False(t, held.gone.Load())
	require.Same(t, held, k.add("held", now, 0), "the one that is held")
	k.forget("held")
	require.True(t, held.gone.Load())
}
