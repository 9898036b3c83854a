package service_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/dir"
	"github.com/stacksync/stacksync-go/internal/testsize"
	"github.com/stacksync/stacksync-go/metastore/sqlite"
	"github.com/stacksync/stacksync-go/notify/local"
	"github.com/stacksync/stacksync-go/service"
)

// crashDir is the environment variable that makes the test's binary the child that is killed.
const crashDir = "STACKSYNC_CRASH_DIR"

const crashBatch = 10 // items in each atomic commit of the child

// openCrash opens the service on the files under a folder.
func openCrash(root string) (svc *service.Service, store *sqlite.Store, closeAll func() error, err error) {
	store, err = sqlite.Open(context.Background(), filepath.Join(root, "meta.db"), sqlite.Config{})
	if err != nil {
		return nil, nil, nil, err
	}
	storage, err := dir.Open(context.Background(), filepath.Join(root, "chunks"), dir.Config{})
	if err != nil {
		return nil, nil, nil, err
	}
	notifier := local.New(local.Config{})
	svc, err = service.New(store, service.Config{Storage: storage, Notifier: notifier})
	if err != nil {
		return nil, nil, nil, err
	}
	return svc, store, func() error {
		for _, c := range []interface{ Close() error }{svc, notifier, storage, store} {
			if err := c.Close(); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// crashChild commits until it is killed, and prints a line for each acknowledged version. It ends by itself should nobody kill it.
func crashChild(root string) {
	time.AfterFunc(20*time.Second, func() { os.Exit(3) })
	svc, _, _, err := openCrash(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var out sync.Mutex
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			if err := crashWriter(svc, &out); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		})
	}
	running.Wait()
}

// crashWriter makes a folder of files in one atomic commit, changes one of them, and deletes every third folder.
func crashWriter(svc *service.Service, out *sync.Mutex) error {
	ctx := context.Background()
	actor := stacksync.Actor{User: "ada"}
	user, err := svc.PutUser(ctx, stacksync.PutUserRequest{User: actor.User})
	if err != nil {
		return err
	}
	ws := user.User.DefaultWorkspace
	dev, err := svc.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: actor})
	if err != nil {
		return err
	}
	actor.Device = dev.Device.ID
	commit := func(proposals ...stacksync.Proposal) error {
		res, err := svc.Commit(ctx, stacksync.CommitRequest{Actor: actor, Workspace: ws, Atomic: true, Proposals: proposals})
		if err != nil {
			return err
		}
		out.Lock()
		defer out.Unlock()
		for _, o := range res.Outcomes {
			if o.Err != nil {
				return o.Err
			}
			fmt.Println("ack", o.Item.ID, o.Item.Version, o.Item.Revision)
		}
		return nil
	}
	for n := 0; ; n++ {
		content := fmt.Sprintf("content %d", rand.IntN(50))
		chunk := chunkOf(content)
		if _, err := svc.UploadChunk(ctx, stacksync.UploadChunkRequest{Actor: actor, Workspace: ws, Chunk: chunk, Content: strings.NewReader(content)}); err != nil {
			return err
		}
		folder := stacksync.Proposal{Item: newID(), Version: 1, Name: newID().String(), Kind: stacksync.Folder, Attrs: map[string]string{"batch": "folder"}}
		batch := []stacksync.Proposal{folder}
		for i := range crashBatch {
			batch = append(batch, stacksync.Proposal{Item: newID(), Version: 1, Parent: folder.Item, Name: fmt.Sprint("file ", i), Kind: stacksync.File,
				Size: chunk.Size, Chunks: []stacksync.Chunk{chunk}})
		}
		if err := commit(batch...); err != nil {
			return err
		}
		if err := commit(next(batch[1], func(p *stacksync.Proposal) { p.Name = "renamed" })); err != nil {
			return err
		}
		if n%3 == 2 {
			if err := commit(deletion(folder)); err != nil {
				return err
			}
		}
	}
}

// TestCrash kills a process that commits, at random moments, many times over on the same files. Afterwards every acknowledged
// version is there, no commit is there by half, the feed is dense, the charge is right and every chunk of a live item is stored.
func TestCrash(t *testing.T) {
	t.Parallel()
	kills := testsize.Of(10, 50)
	root := t.TempDir()
	acked := map[stacksync.VersionKey]int64{}
	for n := range kills {
		// Every fifth is killed while it still opens its files, and the first while it makes them.
		for _, line := range runAndKill(t, root, n%5 == 0) {
			var id string
			var key stacksync.VersionKey
			var revision int64
			_, err := fmt.Sscanf(line, "ack %s %d %d", &id, &key.Version, &revision)
			require.NoError(t, err, "%q", line)
			require.NoError(t, key.Item.UnmarshalText([]byte(id)))
			require.NotContains(t, acked, key, "acknowledged twice")
			acked[key] = revision
		}
	}
	svc, store, closeAll, err := openCrash(root)
	require.NoError(t, err)
	defer func() { require.NoError(t, closeAll()) }()
	user, err := svc.GetUser(t.Context(), stacksync.GetUserRequest{User: "ada"})
	require.NoError(t, err)
	require.Greater(t, len(acked), crashLines*kills/2, "too few to prove anything")
	t.Logf("%d kills, %d acknowledged versions", kills, len(acked))
	verifyCrash(t, store, user.User, acked)
	verifyChunks(t, svc, user.User)
}

// crashLines is how many acknowledgements a child that is not killed early has given at least.
const crashLines = 10

// runAndKill runs the child and returns what it acknowledged, each line whole, until it was killed: early, or some moments after some
// acknowledgements.
func runAndKill(t *testing.T, root string, early bool) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+root)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	kill := func(within time.Duration) {
		time.AfterFunc(rand.N(within), func() { _ = cmd.Process.Kill() })
	}
	if early {
		kill(100 * time.Millisecond)
	}
	var lines []string
	after := crashLines + rand.IntN(4*crashLines)
	scan := bufio.NewScanner(pipe)
	for scan.Scan() {
		if lines = append(lines, scan.Text()); len(lines) == after && !early {
			kill(10 * time.Millisecond)
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, stderr.String())
	require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", stderr.String())
	return lines
}

// verifyChunks wants every chunk of the live items to be stored. The service answers from its own table, so the content is read.
func verifyChunks(t *testing.T, svc *service.Service, user stacksync.User) {
	t.Helper()
	dev, err := svc.RegisterDevice(t.Context(), stacksync.RegisterDeviceRequest{Actor: stacksync.Actor{User: user.ID}})
	require.NoError(t, err)
	actor := stacksync.Actor{User: user.ID, Device: dev.Device.ID}
	w := &world{TB: t, svc: svc, actor: actor, ws: user.DefaultWorkspace}
	read := map[string]bool{}
	for _, it := range w.snapshot().Items {
		for _, c := range it.Chunks {
			if read[c.Name] {
				continue
			}
			read[c.Name] = true
			res, err := svc.DownloadChunk(t.Context(), stacksync.DownloadChunkRequest{Actor: actor, Workspace: user.DefaultWorkspace, Name: c.Name})
			require.NoError(t, err)
			content, err := io.ReadAll(res.Content)
			require.NoError(t, errors.Join(err, res.Content.Close()))
			require.Equal(t, c, chunkOf(string(content)))
		}
	}
	require.NotEmpty(t, read)
}

func verifyCrash(t *testing.T, store stacksync.MetadataStore, user stacksync.User, acked map[stacksync.VersionKey]int64) {
	t.Helper()
	ws := user.DefaultWorkspace
	require.NoError(t, store.View(t.Context(), func(ctx context.Context, r stacksync.Reader) error {
		rows, err := r.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: ws, User: user.ID}}})
		require.NoError(t, err)
		revision := rows.Workspaces[0].Revision
		all, err := r.Changes(ctx, stacksync.ChangesParams{Workspace: ws, PageBound: stacksync.PageBound{Limit: 1 << 30}})
		require.NoError(t, err)

		seen := make(map[int64]bool, revision)
		inFolder := map[stacksync.ItemID]int{}
		var used int64
		for _, it := range all.Items {
			if !it.Deleted {
				used += it.Size
			}
			inFolder[it.Parent]++
			versions, err := r.Versions(ctx, stacksync.VersionsParams{Workspace: ws, Item: it.ID, PageBound: stacksync.PageBound{Limit: 1 << 30}})
			require.NoError(t, err)
			for i, v := range versions.Items {
				require.Equal(t, it.Version-int64(i), v.Version, "versions have no gap")
				require.False(t, seen[v.Revision], "revision %d twice", v.Revision)
				seen[v.Revision] = true
				key := stacksync.VersionKey{Item: it.ID, Version: v.Version}
				if want, ok := acked[key]; ok {
					require.Equal(t, want, v.Revision)
					delete(acked, key)
				}
			}
		}
		require.Empty(t, acked, "acknowledged, and lost")
		require.Len(t, seen, int(revision), "the feed is dense")
		require.Equal(t, used, user.QuotaUsed)
		for _, it := range all.Items {
			if it.Kind == stacksync.Folder {
				require.Equal(t, crashBatch, inFolder[it.ID], "an atomic commit is there by half")
			}
		}
		return nil
	}))
}
