package sqlstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBusy = errors.New("busy")

func TestRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, runs := time.Now(), 0
		require.NoError(t, Retry(t.Context(), func() (bool, error) {
			if runs++; runs < 4 {
				return true, errBusy
			}
			return true, nil
		}))
		require.Equal(t, 4, runs)
		require.GreaterOrEqual(t, time.Since(start), (4+8+16)/2*time.Millisecond, "the pauses grow")
		require.LessOrEqual(t, time.Since(start), (4+8+16)*time.Millisecond)
	})
}

func TestRetryGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, runs := time.Now(), 0
		require.ErrorIs(t, Retry(t.Context(), func() (bool, error) { runs++; return true, errBusy }), errBusy)
		require.Equal(t, Attempts, runs)
		require.Less(t, time.Since(start), 1500*time.Millisecond)
		require.Greater(t, time.Since(start), 500*time.Millisecond)
	})
}

func TestRetryFinalError(t *testing.T) {
	t.Parallel()
	runs := 0
	err := Retry(t.Context(), func() (bool, error) { runs++; return false, errBusy })
	require.Same(t, errBusy, err, "the error of a closure is returned as it is")
	require.Equal(t, 1, runs)
}

func TestRetryEndsWithContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start, runs := time.Now(), 0
		err := Retry(ctx, func() (bool, error) {
			runs++
			cancel()
			return true, errBusy
		})
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errBusy)
		require.Equal(t, 1, runs)
		require.Zero(t, time.Since(start))
	})
}
