package testsize_test

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
	_ "pgregory.net/rapid" // for its flags

	"github.com/stacksync/stacksync-go/internal/testsize"
)

// skip records whether a test was skipped.
type skip struct{ why []any }

func (*skip) Helper()            {}
func (s *skip) Skip(args ...any) { s.why = args }

func TestAtOnce(t *testing.T) {
	parallel := flag.Lookup("test.parallel").Value
	before := parallel.String()
	t.Cleanup(func() { require.NoError(t, parallel.Set(before)) })
	testsize.AtOnce(17)
	require.Equal(t, "17", parallel.String())
}

func TestSizes(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value
	before := checks.String()
	t.Cleanup(func() { require.NoError(t, checks.Set(before)) })
	for value, full := range map[string]bool{"": false, "0": false, "1": true} {
		t.Setenv(testsize.Env, value)
		require.Equal(t, full, testsize.Full())
		require.Equal(t, full, testsize.Of("small", "full") == "full")
		if measured := testsize.Measured("small", "full"); measured != "small" { // else with the race detector, perhaps
			require.True(t, full)
		}
		var s skip
		testsize.NeedsFull(&s)
		require.Equal(t, full, s.why == nil)

		require.NoError(t, checks.Set("100"))
		testsize.Rapid()
		require.Equal(t, full, checks.String() == "100")
	}
}
