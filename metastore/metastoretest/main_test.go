package metastoretest

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/internal/testsize"
)

func TestMain(m *testing.M) {
	// The model finds faults on purpose here: they need not be small, and leave no files.
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.shrinktime": "100ms"} {
		if err := flag.Set(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	testsize.Rapid()
	goleak.VerifyTestMain(m)
}
