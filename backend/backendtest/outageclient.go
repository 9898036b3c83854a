package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// upload brings all chunks, eight at a time, and has the server stopped in the middle.
func (f *stranded) upload() {
	f.Helper()
	const workers = 8
	prepared, err := f.prepare(f.ctx, f.chunks...)
	require.NoError(f, err)
	require.Len(f, prepared.Missing, len(f.chunks), "of chunks that were never uploaded")
	f.Logf("uploads via %s", prepared.Via)
	client := newHTTPClient(f)

	var (
		done    atomic.Int64
		wg      sync.WaitGroup
		errs    = make(chan error, len(f.chunks))
		work    = make(chan stacksync.Transfer)
		crash   = make(chan struct{})
		crashed = make(chan error, 1)
	)
	go func() {
		<-crash
		crashed <- f.crash(f.chunks, func() int64 { return int64(len(f.chunks)) - done.Load() })
	}()
	for range workers {
		wg.Go(func() {
			for transfer := range work {
				if err := f.bring(client, prepared.Via, transfer); err != nil {
					errs <- err
				}
				if done.Add(1) == outageBefore {
					close(crash)
				}
			}
		})
	}
	for _, transfer := range prepared.Missing {
		work <- transfer
	}
	close(work)
	wg.Wait()
	require.NoError(f, <-crashed)
	close(errs)
	for err := range errs {
		require.NoError(f, err)
	}
	f.requireFelt("uploading")
}

// requireFelt checks that the outage came while there was work: else it has shown nothing. A back-end may wait for the server itself, so
// that no call fails.
func (f *stranded) requireFelt(what string) {
	f.Helper()
	failed, left := f.failed.Swap(0), f.left.Swap(0)
	f.Logf("%d tries failed while %s", failed, what)
	require.Positive(f, failed+left, "the outage came too late to be felt")
}

func (f *stranded) prepare(ctx context.Context, chunks ...stacksync.Chunk) (stacksync.PrepareUploadResult, error) {
	return f.svc.PrepareUpload(ctx, stacksync.PrepareUploadRequest{Actor: f.actor, Workspace: f.workspace, Chunks: chunks})
}

// bring uploads a chunk, however often it takes.
func (f *stranded) bring(client *http.Client, via stacksync.Via, transfer stacksync.Transfer) error {
	content := f.content[transfer.Name]
	return f.persist("upload chunk "+transfer.Name, func(ctx context.Context) error {
		switch via {
		case stacksync.ViaHost:
			_, err := f.svc.UploadChunk(ctx, stacksync.UploadChunkRequest{
				Actor: f.actor, Workspace: f.workspace, Chunk: transfer.Chunk, Content: bytes.NewReader(content),
			})
			return err
		case stacksync.ViaSigned:
			err := sendChunk(ctx, client, transfer.Request, content)
			if !errors.Is(err, errExpired) {
				return err
			}
			again, err := f.prepare(ctx, transfer.Chunk)
			if err != nil || len(again.Missing) == 0 { // it had come through
				return err
			}
			transfer = again.Missing[0]
			return errExpired
		default:
			return &stacksync.FieldError{Field: "Via", Reason: fmt.Sprintf("is %q, which this suite has no client for", via)}
		}
	})
}

// laterError is an answer that says to try again later.
type laterError struct {
	status int
	after  time.Duration
}

func (e *laterError) Error() string { return fmt.Sprintf("status %d, try again later", e.status) }

var errExpired = errors.New("the signed request has expired")

// sendChunk does what the comment of stacksync.SignedRequest tells a client to do.
func sendChunk(ctx context.Context, client *http.Client, r stacksync.SignedRequest, content []byte) error {
	req, err := toHTTP(ctx, r, bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("send a signed request: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	a := answer{status: res.StatusCode, body: string(body)}
	switch {
	case a.stored():
		return nil
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return errExpired
	case a.status == http.StatusRequestTimeout || a.status == http.StatusTooManyRequests || a.status >= 500:
		seconds, _ := strconv.Atoi(strings.TrimSpace(res.Header.Get("Retry-After"))) // 0 where there is none
		return &laterError{status: a.status, after: min(time.Duration(seconds)*time.Second, 5*time.Second)}
	case err != nil:
		return fmt.Errorf("read the answer: %w", err)
	default:
		return &stacksync.FieldError{Field: "Request", Reason: "was answered with " + a.String()}
	}
}

// commit saves the chunks as ten files, and returns what the change log then names.
func (f *stranded) commit() []stacksync.Chunk {
	f.Helper()
	const perFile = outageChunks / 10
	var proposals []stacksync.Proposal
	for from := 0; from < len(f.chunks); from += perFile {
		p := stacksync.Proposal{Item: stacksync.NewItemID(), Version: 1, Name: fmt.Sprintf("file-%d", from), Kind: stacksync.File, Chunks: f.chunks[from : from+perFile]}
		for _, c := range p.Chunks {
			p.Size += c.Size
		}
		proposals = append(proposals, p)
	}
	res, err := f.svc.Commit(f.ctx, stacksync.CommitRequest{Actor: f.actor, Workspace: f.workspace, Atomic: true, Proposals: proposals})
	require.NoError(f, err)
	for _, outcome := range res.Outcomes {
		require.NoError(f, outcome.Err)
	}
	page, err := f.svc.Changes(f.ctx, stacksync.ChangesRequest{Actor: f.actor, Workspace: f.workspace})
	require.NoError(f, err)
	require.False(f, page.More)
	var committed []stacksync.Chunk
	for _, item := range page.Items {
		committed = append(committed, item.Chunks...)
	}
	require.ElementsMatch(f, f.chunks, committed)
	return committed
}

// requireStored checks that a container has these chunks, with their content, and nothing else.
func (f *stranded) requireStored(container string, chunks []stacksync.Chunk) {
	f.Helper()
	listed := f.listed(container)
	for _, c := range chunks {
		size, ok := listed[c.Name]
		require.True(f, ok, "chunk %s is not listed", c.Name)
		require.Equal(f, c.Size, size, "the size that is listed of chunk %s", c.Name)
		delete(listed, c.Name)
	}
	require.Empty(f, listed, "listed, but named by nothing")
	require.NoError(f, inParallel(len(chunks), func(i int) error {
		r, err := f.reader.ReadChunk(f.ctx, stacksync.ReadChunkParams{Container: container, Name: chunks[i].Name})
		if err != nil {
			return err
		}
		content, err := io.ReadAll(r.Content)
		if err == nil && !bytes.Equal(content, f.content[chunks[i].Name]) {
			err = fmt.Errorf("chunk %s has other content", chunks[i].Name)
		}
		return errors.Join(err, r.Content.Close())
	}))
}

func (f *stranded) listed(container string) map[string]int64 {
	f.Helper()
	listed := map[string]int64{}
	for p := (stacksync.ListChunksParams{Container: container}); ; {
		r, err := f.storage.ListChunks(f.ctx, p)
		require.NoError(f, err)
		for _, c := range r.Chunks {
			_, twice := listed[c.Name]
			require.False(f, twice, "%q is listed twice", c.Name)
			listed[c.Name] = c.Size
		}
		if p.After = r.Next; p.After == "" {
			return listed
		}
	}
}
