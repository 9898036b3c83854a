package postgres

import (
	"testing"

	"github.com/stacksync/stacksync-go/internal/pgtest"
	"github.com/stacksync/stacksync-go/internal/testsize"
)

func TestMain(m *testing.M) {
	testsize.Rapid()
	pgtest.Main(m)
}
