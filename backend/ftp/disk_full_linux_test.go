package ftp_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/backend/ftp"
	"github.com/stacksync/stacksync-go/internal/proftpd"
	"github.com/stacksync/stacksync-go/internal/pureftpd"
)

// TestFullDisk: content that the server has no room for is sent once, though it could be sent again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	pure, pro := startPure(t, pureftpd.Options{}), start(t, proftpd.Options{TLSOptional: true})
	for _, server := range []struct {
		root string
		c    ftp.Config
	}{{pure.Root, pureConfig(pure)}, {pro.Root, configOf(pro)}} {
		p := newProxy(t, server.c.Addr)
		server.c.Addr, server.c.TLS, server.c.Plain = p.addr(), nil, true
		s := open(t, server.c)
		create(t, s, container)
		disk := filepath.Join(server.root, container)
		err := syscall.Mount("tmpfs", disk, "tmpfs", 0, fmt.Sprintf("size=1m,uid=%d,gid=%d,mode=700", pro.UID, pro.GID))
		mounted := err == nil
		if errors.Is(err, syscall.EPERM) { // not in each container: then the reply is that of a full disk
			p.set(func(p *proxy) {
				p.reply = func(command, line string) string {
					if strings.HasPrefix(command, "STOR") && strings.HasPrefix(line, "226") {
						return "451 Error during write to file: No space left on device"
					}
					return line
				}
			})
		} else {
			require.NoError(t, err)
		}
		if mounted {
			require.NoError(t, write(t.Context(), s, container, "small", "content")) // makes the folder
		} else {
			require.NoError(t, os.Mkdir(filepath.Join(disk, ".tmp"), 0o700))
			require.NoError(t, os.Chown(filepath.Join(disk, ".tmp"), pro.UID, pro.GID))
		}
		before := p.seen("STOR")
		content := strings.Repeat("content ", 1<<19)
		err = write(t.Context(), s, container, "chunk", content)
		require.ErrorContains(t, err, "does not take the content")
		require.Equal(t, before+1, p.seen("STOR"))
		if mounted {
			require.Eventually(t, func() bool { return write(t.Context(), s, container, "another", "content") == nil }, time.Minute, 10*time.Millisecond,
				"what was left of it is removed")
			require.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH))
		}
	}
}
