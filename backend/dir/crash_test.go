package dir_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/dir"
)

// TestKilledInTheMiddle kills a process that writes many chunks at once. What it was told is stored is, what is listed is
// whole, and what was half written is gone with the next Open.
func TestKilledInTheMiddle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks")
	require.NoError(t, open(t, path, dir.Config{}).Close())
	acknowledged := map[string]bool{}
	for round := range 4 {
		runUntilKilled(t, path, round, acknowledged)
		require.NotEmpty(t, tempFiles(t, path), "nothing was half written")

		s := open(t, path, dir.Config{})
		require.Empty(t, tempFiles(t, path))
		listed := map[string]bool{}
		for _, c := range list(t, s, container) {
			listed[c.Name] = true
			r, err := s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: container, Name: c.Name})
			require.NoError(t, err)
			content, err := io.ReadAll(r.Content)
			require.NoError(t, err)
			require.NoError(t, r.Content.Close())
			require.Equal(t, c.Name, hashName(string(content)))
			require.Len(t, content, int(c.Size))
		}
		for name := range acknowledged {
			require.True(t, listed[name], "%s was stored", name)
		}
		require.NoError(t, s.Close())
	}
}

// runUntilKilled starts a process that writes, and kills it when it has written some more chunks.
func runUntilKilled(t *testing.T, path string, round int, acknowledged map[string]bool) {
	t.Helper()
	const chunks = 40
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=crash", fmt.Sprintf("CRASH_PATH=%s", path), fmt.Sprintf("CRASH_SEED=%d", round))
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for n := 0; n < chunks && lines.Scan(); n++ {
		acknowledged[lines.Text()] = true
	}
	require.NoError(t, cmd.Process.Kill())
	for lines.Scan() { // what it had said before it was killed
		acknowledged[lines.Text()] = true
	}
	require.ErrorContains(t, cmd.Wait(), "killed", errOut.String())
}

// crashChild writes chunks until it is killed, and says which ones are stored. One write never comes to its end.
func crashChild() {
	var seed uint64
	_, err := fmt.Sscan(os.Getenv("CRASH_SEED"), &seed)
	exitOn(err)
	s, err := dir.Open(context.Background(), os.Getenv("CRASH_PATH"), dir.Config{NoSync: seed%2 == 1})
	exitOn(err)

	half, stalled := make(chan struct{}), make(chan struct{})
	go func() {
		content := io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), stall{half, stalled})
		_, err := s.WriteChunk(context.Background(), stacksync.WriteChunkParams{
			Container: container, Chunk: stacksync.Chunk{Name: hashName("stalled"), Size: 2 << 20}, Content: content,
		})
		exitOn(err)
	}()
	<-half

	var wg sync.WaitGroup
	var mu sync.Mutex
	for writer := range uint64(8) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, writer))
			for {
				content := make([]byte, random.IntN(256<<10))
				for i := range content {
					content[i] = byte(random.Uint32())
				}
				name := hashName(string(content))
				exitOn(write(context.Background(), s, container, name, string(content)))
				mu.Lock()
				fmt.Println(name)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// stall is content that says when it is reached, and waits before it ends.
type stall struct{ reached, goOn chan struct{} }

func (s stall) Read([]byte) (int, error) {
	close(s.reached)
	<-s.goOn
	return 0, io.EOF
}
