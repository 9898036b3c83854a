//go:build unix

package storagetest

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stacksync/stacksync-go"
)

// Service is what PrepareUpload calls: a service, as clients and as its host.
type Service interface {
	stacksync.SyncService
	stacksync.HostService
}

// PrepareUpload measures what PrepareUpload of an empty service costs for 1,000 chunks: some that are new, some that were uploaded and not
// committed so far, and some that were committed. The
// service names chunks by their SHA-256. requests tells how many requests the storage has had; "requests/op" is how many a call
// makes.
func PrepareUpload(b *testing.B, svc Service, requests func() int) {
	b.Helper()
	ctx := b.Context()
	user, err := svc.PutUser(ctx, stacksync.PutUserRequest{User: "ada"})
	require.NoError(b, err)
	workspace := user.User.DefaultWorkspace
	device, err := svc.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: stacksync.Actor{User: "ada"}, Name: "laptop"})
	require.NoError(b, err)
	actor := stacksync.Actor{User: "ada", Device: device.Device.ID}
	const n = 1_000
	measure := func(what string, chunks []stacksync.Chunk, missing int, saidNew bool) {
		b.Run(what, func(b *testing.B) {
			before := requests()
			for b.Loop() {
				r, err := svc.PrepareUpload(b.Context(), stacksync.PrepareUploadRequest{Actor: actor, Workspace: workspace, Chunks: chunks, New: saidNew})
				require.NoError(b, err)
				require.Equal(b, stacksync.ViaSigned, r.Via)
				require.Len(b, r.Missing, missing)
			}
			b.ReportMetric(float64(requests()-before)/float64(b.N), "requests/op")
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/op")
		})
	}
	var g errgroup.Group
	g.SetLimit(16)
	stored, fresh := make([]stacksync.Chunk, n), make([]stacksync.Chunk, n)
	for i := range n {
		content := fmt.Sprint("content ", i)
		stored[i], fresh[i] = chunkOf(content), chunkOf(fmt.Sprint("new ", i))
		g.Go(func() error {
			_, err := svc.UploadChunk(ctx, stacksync.UploadChunkRequest{Actor: actor, Workspace: workspace, Chunk: stored[i], Content: strings.NewReader(content)})
			return err
		})
	}
	require.NoError(b, g.Wait())
	measure("new", fresh, n, false)
	measure("said to be new", fresh, n, true)
	measure("uploaded", stored, 0, false)
	file := stacksync.Proposal{Item: stacksync.ItemID{UUID: uuid.New()}, Version: 1, Name: "f", Kind: stacksync.File, Chunks: stored}
	for i := range stored {
		file.Size += stored[i].Size
	}
	r, err := svc.Commit(ctx, stacksync.CommitRequest{Actor: actor, Workspace: workspace, Proposals: []stacksync.Proposal{file}})
	require.NoError(b, err)
	require.NoError(b, r.Outcomes[0].Err)
	measure("committed", stored, 0, false)
}

func chunkOf(content string) stacksync.Chunk {
	return stacksync.Chunk{Name: fmt.Sprintf("%x", sha256.Sum256([]byte(content))), Size: int64(len(content))}
}
