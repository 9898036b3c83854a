package ftp_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// TestStoredAtHasOneClock: what is touched counts as stored by the server's clock, as what is uploaded does. The proxy moves the server's
// clock by a day, as far as clients see it.
func TestStoredAtHasOneClock(t *testing.T) {
	t.Parallel()
	const layout, behind = "20060102150405", 24 * time.Hour
	for _, call := range []string{"write", "copy"} {
		r := newRig(t, nil)
		create(t, r.Storage, "from")
		r.proxy.set(func(p *proxy) {
			p.reply = func(command, line string) string {
				if at, err := time.Parse(layout, strings.TrimPrefix(line, "213 ")); err == nil && strings.HasPrefix(command, "MDTM") {
					return "213 " + at.Add(-behind).Format(layout)
				}
				return line
			}
		})
		for _, c := range []string{container, "from"} {
			require.NoError(t, write(t.Context(), r.Storage, c, "chunk", "content"))
		}
		file := filepath.Join(r.server.Root, container, object)
		require.NoError(t, os.Chtimes(file, time.Time{}, time.Unix(0, 0)))
		if call == "write" {
			require.NoError(t, write(t.Context(), r.Storage, container, "chunk", "content"))
		} else {
			_, err := r.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: "from", To: container, Names: []string{"chunk"}})
			require.NoError(t, err)
		}
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(-behind), info.ModTime(), time.Hour, call)
		require.Empty(t, r.temps(t), call)
	}
}
