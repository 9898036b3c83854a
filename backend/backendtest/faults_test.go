package backendtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stacksync/stacksync-go"
)

// Short names, since each is written many times below.
type (
	createCall = call[stacksync.CreateContainerParams, stacksync.CreateContainerResult]
	dropCall   = call[stacksync.DeleteContainerParams, stacksync.DeleteContainerResult]
	statCall   = call[stacksync.StatChunksParams, stacksync.StatChunksResult]
	copyCall   = call[stacksync.CopyChunksParams, stacksync.CopyChunksResult]
	deleteCall = call[stacksync.DeleteChunksParams, stacksync.DeleteChunksResult]
	writeCall  = call[stacksync.WriteChunkParams, stacksync.WriteChunkResult]
)

var errFault = errors.New("the fault of the mutant")

var mutants = map[string]mutant{
	"create empties": {caught: []string{"CreateContainerAgain"}, change: func(b *broken) {
		around(&b.create, func(ctx context.Context, next createCall, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
			_, _ = b.Storage.DeleteContainer(ctx, stacksync.DeleteContainerParams(p))
			return next(ctx, p)
		})
	}},
	"create refuses long names": {caught: []string{"ContainerNames"}, change: func(b *broken) {
		before(&b.create, func(p *stacksync.CreateContainerParams) {
			if len(p.Container) > 62 {
				p.Container += "toolong"
			}
		})
	}},
	"the container is not checked": {caught: []string{"BadContainerNames"}, change: func(b *broken) {
		before(&b.list, func(p *stacksync.ListChunksParams) { p.Container = strings.ToLower(p.Container) })
	}},
	"a missing container can't be deleted": {caught: []string{"DeleteMissingContainer"}, change: func(b *broken) {
		around(&b.drop, func(ctx context.Context, next dropCall, p stacksync.DeleteContainerParams) (stacksync.DeleteContainerResult, error) {
			if b.empty(p.Container) {
				return stacksync.DeleteContainerResult{}, errFault
			}
			return next(ctx, p)
		})
	}},
	"a full container can't be deleted": {caught: []string{"DeleteFullContainer"}, change: func(b *broken) {
		around(&b.drop, func(ctx context.Context, next dropCall, p stacksync.DeleteContainerParams) (stacksync.DeleteContainerResult, error) {
			if !b.empty(p.Container) {
				return stacksync.DeleteContainerResult{}, errFault
			}
			return next(ctx, p)
		})
	}},
	"a container is deleted by its first thousand": {caught: []string{"ListPages"}, change: func(b *broken) {
		around(&b.drop, func(ctx context.Context, next dropCall, p stacksync.DeleteContainerParams) (stacksync.DeleteContainerResult, error) {
			first, err := b.Storage.ListChunks(ctx, stacksync.ListChunksParams{Container: p.Container})
			if err != nil || first.Next == "" {
				return next(ctx, p)
			}
			deleted := stacksync.DeleteChunksParams{Container: p.Container, Names: namesOf(first.Chunks)}
			_, err = b.Storage.DeleteChunks(ctx, deleted)
			return stacksync.DeleteContainerResult{}, err
		})
	}},
	"containers are prefixes": {caught: []string{"ContainersAreApart"}, change: func(b *broken) {
		before(&b.stat, func(p *stacksync.StatChunksParams) { p.Container, _, _ = strings.Cut(p.Container, "-b") })
	}},
	"writing makes the container": {caught: []string{"MissingContainerTakesNothing", "DeleteFullContainer", "CancelledContext"}, change: func(b *broken) {
		around(&b.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
			_, _ = b.Storage.CreateContainer(ctx, stacksync.CreateContainerParams{Container: p.Container})
			return next(ctx, p)
		})
	}},

	"names are paths":       renames([]string{"NamesReachNowhere", "OddNames"}, func(n string) string { return strings.TrimPrefix(path.Clean("/"+n), "/") + " " }),
	"names are cut":         renames([]string{"LongNames"}, func(n string) string { return n[:min(len(n), 254)] }),
	"names are folded":      renames([]string{"CaseDiffers"}, strings.ToLower),
	"names are trimmed":     renames([]string{"OddNames"}, func(n string) string { return strings.TrimRight(n, " .") + "x" }),
	"% is not escaped":      renames([]string{"EveryCharacter", "OddNames"}, func(n string) string { return strings.ReplaceAll(n, "%", "+") }),
	"bad names are cleaned": renames([]string{"BadNames"}, func(n string) string { return strings.Trim(n, "\x00\n\t") + "x" }),

	"deleting does nothing": {caught: []string{"ChunkLife"}, change: func(b *broken) {
		before(&b.delete, func(p *stacksync.DeleteChunksParams) { p.Names = nil })
	}},
	"deleting a missing chunk is an error": {caught: []string{"DeleteMissingChunk", "MissingContainerReadsEmpty"}, change: func(b *broken) {
		around(&b.delete, func(ctx context.Context, next deleteCall, p stacksync.DeleteChunksParams) (stacksync.DeleteChunksResult, error) {
			for _, name := range p.Names {
				if _, ok := b.size(p.Container, name); !ok {
					return stacksync.DeleteChunksResult{}, errFault
				}
			}
			return next(ctx, p)
		})
	}},
	"names are deleted one by one": {caught: []string{"BadNameHasNoEffect"}, change: func(b *broken) {
		around(&b.delete, func(ctx context.Context, next deleteCall, p stacksync.DeleteChunksParams) (stacksync.DeleteChunksResult, error) {
			for i := range p.Names {
				if r, err := next(ctx, stacksync.DeleteChunksParams{Container: p.Container, Names: p.Names[i : i+1]}); err != nil {
					return r, err
				}
			}
			return stacksync.DeleteChunksResult{}, nil
		})
	}},
	"stat answers as often as it is asked": {caught: []string{"ManyNames"}, change: func(b *broken) {
		around(&b.stat, func(ctx context.Context, next statCall, p stacksync.StatChunksParams) (all stacksync.StatChunksResult, err error) {
			for i := range p.Names {
				r, err := next(ctx, stacksync.StatChunksParams{Container: p.Container, Names: p.Names[i : i+1]})
				if err != nil {
					return r, err
				}
				all.Chunks = append(all.Chunks, r.Chunks...)
			}
			return all, nil
		})
	}},
	"a missing chunk is another error": {caught: []string{"ReadMissingChunk"}, change: func(b *broken) {
		around(&b.read, func(ctx context.Context, next call[stacksync.ReadChunkParams, stacksync.ReadChunkResult], p stacksync.ReadChunkParams) (stacksync.ReadChunkResult, error) {
			r, err := next(ctx, p)
			if errors.Is(err, stacksync.ErrChunkNotFound) {
				err = stacksync.ErrNotFound
			}
			return r, err
		})
	}},
	"a reader reads what is there now": {caught: []string{"ReadWhileDeleted"}, change: func(b *broken) {
		after(&b.read, func(p stacksync.ReadChunkParams, r *stacksync.ReadChunkResult) {
			if r.Content != nil {
				r.Content = io.NopCloser(&rereader{b: b, p: p})
			}
		})
	}},

	"copying stops at a missing chunk": {caught: []string{"CopyMissing", "ManyNames", "BadNameHasNoEffect"}, change: func(b *broken) {
		around(&b.copy, func(ctx context.Context, next copyCall, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
			for i := range p.Names {
				if r, err := next(ctx, stacksync.CopyChunksParams{From: p.From, To: p.To, Names: p.Names[i : i+1]}); err != nil {
					return r, err
				}
			}
			return stacksync.CopyChunksResult{}, nil
		})
	}},
	"copying replaces": {caught: []string{"CopyOntoOther"}, change: func(b *broken) {
		before(&b.copy, func(p *stacksync.CopyChunksParams) {
			for _, name := range p.Names {
				if _, ok := b.size(p.From, name); ok && p.From != p.To {
					_, _ = b.Storage.DeleteChunks(context.Background(), stacksync.DeleteChunksParams{Container: p.To, Names: []string{name}})
				}
			}
		})
	}},
	"copying takes another chunk for a copy": {caught: []string{"CopyOntoOther"}, change: func(b *broken) {
		around(&b.copy, func(ctx context.Context, next copyCall, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
			r, err := next(ctx, p)
			if errors.Is(err, stacksync.ErrSize) {
				err = nil
			}
			return r, err
		})
	}},
	"copying moves": {caught: []string{"Copy", "CopyOnto", "CopyToItself"}, change: func(b *broken) {
		after(&b.copy, func(p stacksync.CopyChunksParams, _ *stacksync.CopyChunksResult) {
			_, _ = b.Storage.DeleteChunks(context.Background(), stacksync.DeleteChunksParams{Container: p.From, Names: p.Names})
		})
	}},

	"a listing ends after 10,000": {caught: []string{"ListPages"}, change: func(b *broken) {
		var mu sync.Mutex
		listed := map[string]int{} // by container, since the first page
		after(&b.list, func(p stacksync.ListChunksParams, r *stacksync.ListChunksResult) {
			const most = 10_000
			mu.Lock()
			defer mu.Unlock()
			if p.After == "" {
				listed[p.Container] = 0
			}
			if listed[p.Container] += len(r.Chunks); listed[p.Container] >= most {
				r.Chunks, r.Next = r.Chunks[:len(r.Chunks)-(listed[p.Container]-most)], ""
			}
		})
	}},
	"what is missing takes longer each time": {caught: []string{"MissingIsQuick"}, change: func(b *broken) {
		var misses atomic.Int64
		after(&b.stat, func(p stacksync.StatChunksParams, r *stacksync.StatChunksResult) {
			if len(r.Chunks) < len(p.Names) {
				time.Sleep(time.Duration(misses.Add(1)) * time.Millisecond)
			}
		})
	}},
	"a listing stops after one page": lists([]string{"ListPages", "ListWhileChanging", "ListLimits"}, func(_ stacksync.ListChunksParams, r *stacksync.ListChunksResult) {
		r.Next = ""
	}),
	"a page loses a chunk": lists([]string{"ListPages", "ListLimits"}, func(_ stacksync.ListChunksParams, r *stacksync.ListChunksResult) {
		if r.Next != "" {
			r.Chunks = r.Chunks[1:]
		}
	}),
	"a listing runs in a circle": lists([]string{"ListPages", "ChunkLife"}, func(_ stacksync.ListChunksParams, r *stacksync.ListChunksResult) {
		if r.Next == "" && len(r.Chunks) > 0 {
			r.Next = r.Chunks[0].Name
		}
	}),
	"chunks have no time": lists([]string{"StoredAt"}, func(_ stacksync.ListChunksParams, r *stacksync.ListChunksResult) {
		for i := range r.Chunks {
			r.Chunks[i].StoredAt = time.Time{}
		}
	}),
	"the limit is not kept": {caught: []string{"ListPages", "ListLimits"}, change: func(b *broken) {
		before(&b.list, func(p *stacksync.ListChunksParams) { p.Limit = 10_000 })
	}},
	"a cursor counts": {caught: []string{"ListWhileChanging"}, change: func(b *broken) {
		around(&b.list, func(ctx context.Context, next call[stacksync.ListChunksParams, stacksync.ListChunksResult], p stacksync.ListChunksParams) (stacksync.ListChunksResult, error) {
			seen := len(p.After)
			r, err := next(ctx, stacksync.ListChunksParams{Container: p.Container, Limit: 10_000})
			r.Chunks = r.Chunks[min(seen, len(r.Chunks)):]
			if p.Limit == 0 {
				p.Limit = 1_000
			}
			if len(r.Chunks) > p.Limit {
				r.Chunks, r.Next = r.Chunks[:p.Limit], strings.Repeat("x", seen+p.Limit)
			}
			return r, err
		})
	}},

	"content that ends early is kept": keeps([]string{"ShortContent"}, func(error) error { return nil }),
	"what came before an error is kept": keeps([]string{"ShortContent", "FailingContent", "FailingAtTheEnd", "CancelledWrite"}, func(err error) error {
		return err
	}),
	"errors of content are hidden": {caught: []string{"FailingContent", "FailingAtTheEnd", "CancelledWrite"}, change: func(b *broken) {
		around(&b.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
			r, err := next(ctx, p)
			if err != nil && !errors.Is(err, stacksync.ErrInvalid) && !errors.Is(err, stacksync.ErrNotFound) {
				err = errFault
			}
			return r, err
		})
	}},
	"long content is cut": {caught: []string{"LongContent", "FailingAtTheEnd", "WriteAgain"}, change: func(b *broken) {
		before(&b.write, func(p *stacksync.WriteChunkParams) { p.Content = io.LimitReader(p.Content, p.Size) })
	}},
	"a size below 0 is 0": {caught: []string{"BadSize"}, change: func(b *broken) {
		before(&b.write, func(p *stacksync.WriteChunkParams) { p.Size = max(p.Size, 0) })
	}},
	"empty chunks are refused": {caught: []string{"SmallSizes"}, change: func(b *broken) {
		before(&b.write, func(p *stacksync.WriteChunkParams) {
			if p.Size == 0 {
				p.Size = -1
			}
		})
	}},
	"large chunks are cut": {caught: []string{"LargeChunk"}, change: func(b *broken) {
		before(&b.write, func(p *stacksync.WriteChunkParams) {
			p.Content = io.LimitReader(p.Content, 32<<20)
			p.Size = min(p.Size, 32<<20)
		})
	}},
	"the context is not looked at": {caught: []string{"CancelledWrite", "CancelledContext"}, change: func(b *broken) {
		around(&b.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
			return next(context.WithoutCancel(ctx), p)
		})
	}},
	"content is fetched first, however long that takes": {caught: []string{"BlockedContent"}, change: func(b *broken) {
		around(&b.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
			content, err := io.ReadAll(p.Content)
			if err != nil {
				return stacksync.WriteChunkResult{}, err
			}
			p.Content = bytes.NewReader(content)
			return next(ctx, p)
		})
	}},
	"content that blocks stops the others": {caught: []string{"BlockedContent"}, change: func(b *broken) {
		free := make(chan struct{}, blockedWrites)
		around(&b.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
			select {
			case free <- struct{}{}:
			default:
				return stacksync.WriteChunkResult{}, errFault
			}
			r, err := next(ctx, p)
			if !errors.Is(err, context.Canceled) {
				<-free
			}
			return r, err
		})
	}},
	"a placeholder shows": {caught: []string{"UnfinishedIsInvisible"}, change: func(b *broken) {
		around(&b.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
			_, _ = next(ctx, stacksync.WriteChunkParams{Container: p.Container, Chunk: stacksync.Chunk{Name: p.Name}, Content: strings.NewReader("")})
			content, err := io.ReadAll(p.Content)
			if err != nil {
				return stacksync.WriteChunkResult{}, err
			}
			_, _ = b.Storage.DeleteChunks(ctx, stacksync.DeleteChunksParams{Container: p.Container, Names: []string{p.Name}})
			p.Content = bytes.NewReader(content)
			return next(ctx, p)
		})
	}},
	"a stored chunk can't be written": {caught: []string{"WriteAgain", "WriteSameAtOnce"}, change: func(b *broken) {
		around(&b.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
			if _, ok := b.size(p.Container, p.Name); ok {
				return stacksync.WriteChunkResult{}, errFault
			}
			return next(ctx, p)
		})
	}},
	"a stored chunk is replaced": {caught: []string{"WriteOther"}, change: func(b *broken) {
		around(&b.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
			if size, ok := b.size(p.Container, p.Name); ok && size != p.Size {
				_, _ = b.Storage.DeleteChunks(ctx, stacksync.DeleteChunksParams{Container: p.Container, Names: []string{p.Name}})
			}
			return next(ctx, p)
		})
	}},
	"a late write replaces a chunk": {caught: []string{"WriteLate"}, change: func(b *broken) {
		around(&b.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
			_, before := b.size(p.Container, p.Name)
			content, err := io.ReadAll(p.Content)
			if size, ok := b.size(p.Container, p.Name); err == nil && !before && ok && size == p.Size {
				_, _ = b.Storage.DeleteChunks(ctx, stacksync.DeleteChunksParams{Container: p.Container, Names: []string{p.Name}})
			}
			p.Content = io.MultiReader(bytes.NewReader(content), step(func() error { return err }))
			return next(ctx, p)
		})
	}},
	"the sixty-fifth chunk is lost": {caught: []string{"WriteManyAtOnce"}, change: func(b *broken) {
		around(&b.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
			r, err := b.Storage.ListChunks(ctx, stacksync.ListChunksParams{Container: p.Container})
			if err != nil || len(r.Chunks) >= 64 {
				return stacksync.WriteChunkResult{}, err
			}
			return next(ctx, p)
		})
	}},
	"another instance knows nothing": {caught: []string{"Reopen"}, forgets: true, change: func(*broken) {}},
}
