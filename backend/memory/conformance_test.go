package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/backend/backendtest"
	"github.com/stacksync/stacksync-go/backend/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	backendtest.Run(t, backendtest.Suite{
		New: func(backendtest.T) backendtest.Instance {
			return backendtest.Instance{Storage: memory.New(memory.Config{})}
		},
		Skips: map[string]string{"Reopen": "memory is not shared between instances"},
	})
}
