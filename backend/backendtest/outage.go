package backendtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// Service is what RunOutage calls: a service, as clients and as its host.
type Service interface {
	stacksync.SyncService
	stacksync.HostService
}

// Outage says what RunOutage works with: a storage whose server can be stopped and started.
type Outage struct {
	// Open returns an instance of the back-end, which is closed with t.Cleanup. It is called while the server runs.
	Open func(t T) stacksync.StorageProvisioner
	// Stop stops the server as a crash does. What it had acknowledged stays.
	Stop func() error
	// Start starts the server again at the same address, and returns once it serves.
	Start func() error
	// Service returns a service on the storage and an empty metadata store, both of which are closed with t.Cleanup. Its chunks
	// are named by the SHA-256 of their content, and it offers clients the way via, or what it prefers where that is empty.
	Service func(t T, storage stacksync.StorageProvisioner, via stacksync.Via) Service
	// Via is how the client uploads: stacksync.ViaHost or ViaSigned. Defaults to what the service prefers.
	Via stacksync.Via

	lasts time.Duration // defaults to outageLasts
}

const (
	outageChunks = 1_000
	outageBefore = 300              // chunks that are done before the server stops
	outageLasts  = time.Second      // before the server is started again
	outageBound  = 5 * time.Minute  // of the whole suite: then something hangs
	outageCall   = 30 * time.Second // of one call: then the client gives it up and tries again
)

// RunOutage checks that an outage of the storage loses nothing and leaves nothing behind: a client uploads chunks to a service,
// trying again as long as the server is away, and commits them; then they are copied to another container. In the middle of both the
// server stops, and starts about a second later. At the end both containers list exactly the chunks that the metadata names, with
// their content. While the server is away, no call says that there is nothing.
//
// The server should be the test's own. Nothing else is checked at the same time.
func RunOutage(t *testing.T, o Outage) {
	t.Helper()
	outage(t, o)
}

func outage(t T, o Outage) {
	f := newStranded(t, o)
	f.upload()
	committed := f.commit()
	f.requireStored(f.container, committed)
	f.copyAll(committed)
}

// stranded is a client of a service whose storage goes away.
type stranded struct {
	T
	ctx     context.Context
	storage stacksync.StorageProvisioner
	reader  stacksync.ChunkReader
	server  Outage
	failed  atomic.Int64 // calls and requests, because of the outage
	left    atomic.Int64 // what was not done when the server had stopped

	svc       Service
	actor     stacksync.Actor
	workspace stacksync.WorkspaceID
	container string

	content map[string][]byte // by the chunk's name
	chunks  []stacksync.Chunk
}

func newStranded(t T, o Outage) *stranded {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), outageBound)
	t.Cleanup(cancel)
	o.lasts = cmp.Or(o.lasts, outageLasts)
	f := &stranded{T: t, ctx: ctx, storage: o.Open(t), server: o, content: map[string][]byte{}}
	f.reader = capability[stacksync.ChunkReader](t, f.storage)
	svc := o.Service(t, f.storage, o.Via)
	user := stacksync.UserID("outage-" + strings.ToLower(rand.Text()))
	put, err := svc.PutUser(ctx, stacksync.PutUserRequest{User: user})
	require.NoError(t, err)
	device, err := svc.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: stacksync.Actor{User: user}, Name: "device"})
	require.NoError(t, err)
	f.svc, f.actor, f.workspace = svc, stacksync.Actor{User: user, Device: device.Device.ID}, put.User.DefaultWorkspace
	mounts, err := svc.ListWorkspaces(ctx, stacksync.ListWorkspacesRequest{Actor: f.actor})
	require.NoError(t, err)
	require.Len(t, mounts.Workspaces, 1)
	f.container = mounts.Workspaces[0].Container
	f.dropAtTheEnd(f.container)
	f.makeChunks()
	return f
}

func (f *stranded) dropAtTheEnd(container string) {
	f.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleaning)
		defer cancel()
		if _, err := f.storage.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: container}); err != nil {
			f.Errorf("delete the container at the end: %v", err)
		}
	})
}

// makeChunks makes 9 MiB: a chunk of one byte, many of some kilobytes, every two-hundredth of a MiB.
func (f *stranded) makeChunks() {
	random := mathrand.NewChaCha8([32]byte{7})
	sizes := mathrand.New(random)
	for i := range outageChunks {
		size := 1 + sizes.IntN(8_000)
		switch {
		case i == 0:
			size = 1
		case i%200 == 100:
			size = 1 << 20
		}
		content := make([]byte, size)
		_, _ = random.Read(content) // never fails
		name := fmt.Sprintf("%x", sha256.Sum256(content))
		f.content[name] = content
		f.chunks = append(f.chunks, stacksync.Chunk{Name: name, Size: int64(size)})
	}
	require.Len(f, f.content, outageChunks, "two chunks have the same content")
}

// crash stops the server, looks at what calls say meanwhile, and starts it again. left tells how much is not done.
func (f *stranded) crash(stored []stacksync.Chunk, left func() int64) error {
	if err := f.server.Stop(); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	f.left.Add(left())
	end := time.After(f.server.lasts)
	err := f.lookWhileAway(stored)
	select {
	case <-end:
	case <-f.ctx.Done():
	}
	if startErr := f.server.Start(); startErr != nil {
		return errors.Join(err, fmt.Errorf("start the server: %w", startErr))
	}
	return err
}

// lookWhileAway checks that no call takes a storage that does not answer for one that has nothing.
func (f *stranded) lookWhileAway(stored []stacksync.Chunk) error {
	ctx, cancel := context.WithTimeout(f.ctx, f.server.lasts)
	defer cancel()
	_, statErr := f.storage.StatChunks(ctx, stacksync.StatChunksParams{Container: f.container, Names: namesOfChunks(stored)})
	_, listErr := f.storage.ListChunks(ctx, stacksync.ListChunksParams{Container: f.container})
	r, readErr := f.reader.ReadChunk(ctx, stacksync.ReadChunkParams{Container: f.container, Name: stored[0].Name})
	if readErr == nil && r.Content != nil { // a back-end may open a chunk when its content is asked for
		_, readErr = io.Copy(io.Discard, r.Content)
		_ = r.Content.Close()
	}
	var errs []error
	for call, err := range map[string]error{"StatChunks": statErr, "ListChunks": listErr, "ReadChunk": readErr} {
		if err == nil {
			errs = append(errs, fmt.Errorf("%s succeeds while the server is away", call))
		} else if definite(err) {
			errs = append(errs, fmt.Errorf("%s while the server is away: %w", call, err))
		}
	}
	return errors.Join(errs...)
}

// definite tells whether an error is an answer, so that trying again is no use.
func definite(err error) bool {
	return errors.Is(err, stacksync.ErrInvalid) || errors.Is(err, stacksync.ErrNotFound) || errors.Is(err, stacksync.ErrForbidden)
}

// persist tries until it succeeds, the error is an answer, or the suite has taken too long. It waits longer after each failure, each wait
// is spread, and never shorter than what the error asks for.
func (f *stranded) persist(what string, try func(ctx context.Context) error) error {
	const first, longest = 20 * time.Millisecond, time.Second
	for pause := first; ; pause = min(2*pause, longest) {
		ctx, cancel := context.WithTimeout(f.ctx, outageCall)
		err := try(ctx)
		cancel()
		if err == nil {
			return nil
		}
		if f.ctx.Err() != nil || definite(err) {
			return fmt.Errorf("%s: %w", what, err)
		}
		f.failed.Add(1)
		spread := pause/2 + mathrand.N(pause) //nolint:gosec // no secret
		if later, ok := errors.AsType[*laterError](err); ok {
			spread = max(spread, later.after)
		}
		select {
		case <-time.After(spread):
		case <-f.ctx.Done():
		}
	}
}

func namesOfChunks(chunks []stacksync.Chunk) []string {
	names := make([]string, len(chunks))
	for i, c := range chunks {
		names[i] = c.Name
	}
	return names
}
