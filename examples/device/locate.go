package device

import (
	"context"
	"fmt"

	"github.com/stacksync/stacksync-go"
)

// Locate returns where an item lies in the folder now, with slashes, whatever the user has renamed since the last Sync. It is "." for the
// zero id, and "" for what is not there.
func (d *Device) Locate(ctx context.Context, id stacksync.ItemID) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := &job{Device: d}
	if err := j.scan(ctx); err != nil {
		return "", fmt.Errorf("scan: %w", err)
	}
	n := j.tree.byID[id]
	if n == nil || n.below(j.tree.parked) {
		return "", nil
	}
	return n.path(), nil
}
