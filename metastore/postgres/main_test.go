package postgres

import (
	"testing"

	"github.com/stacksync/stacksync-go/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
