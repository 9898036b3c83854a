package device_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/device"
)

var errFault = errors.New("injected fault")

// fault is what happens to one call of the service.
type fault int

const (
	none       fault = iota
	disturb          // something is done first
	refuse           // it fails
	loseAnswer       // it is done, and fails all the same
	die              // it and all later calls fail
	dieAfter         // it is done, and fails all the same; all later calls fail
)

// faults is a service that does not always work.
type faults struct {
	device.Service
	pageLimit int // items a page; 0: the usual

	mu     sync.Mutex
	at     int // calls until the fault
	what   fault
	action func()
	dead   bool
}

func (f *faults) wrap(s device.Service) device.Service {
	f.Service = s
	return f
}

func (f *faults) set(at int, what fault, action func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at, f.what, f.action = at, what, action
}

// clear makes the service work again.
func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.what, f.dead = none, false
}

// next returns what happens to this call.
func (f *faults) next() (fault, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return refuse, nil
	}
	if f.at--; f.at != 0 || f.what == none {
		return none, nil
	}
	f.dead = f.what == die || f.what == dieAfter
	return f.what, f.action
}

func faulty[R, A any](ctx context.Context, f *faults, call func(context.Context, R) (A, error), r R) (A, error) {
	var zero A
	what, action := f.next()
	switch what {
	case disturb:
		action()
	case refuse, die:
		return zero, errFault
	case loseAnswer, dieAfter:
		if _, err := call(ctx, r); err != nil {
			return zero, err
		}
		return zero, errFault
	}
	return call(ctx, r)
}

func (f *faults) Commit(ctx context.Context, r stacksync.CommitRequest) (stacksync.CommitResult, error) {
	return faulty(ctx, f, f.Service.Commit, r)
}

func (f *faults) Changes(ctx context.Context, r stacksync.ChangesRequest) (stacksync.ChangesPage, error) {
	r.Limit = f.pageLimit
	return faulty(ctx, f, f.Service.Changes, r)
}

func (f *faults) PrepareUpload(ctx context.Context, r stacksync.PrepareUploadRequest) (stacksync.PrepareUploadResult, error) {
	return faulty(ctx, f, f.Service.PrepareUpload, r)
}

func (f *faults) UploadChunk(ctx context.Context, r stacksync.UploadChunkRequest) (stacksync.UploadChunkResult, error) {
	return faulty(ctx, f, f.Service.UploadChunk, r)
}

func (f *faults) DownloadChunk(ctx context.Context, r stacksync.DownloadChunkRequest) (stacksync.DownloadChunkResult, error) {
	return faulty(ctx, f, f.Service.DownloadChunk, r)
}

// journal returns what the device has saved.
func (c *client) journal() []byte {
	c.w.t.Helper()
	data, err := os.ReadFile(c.at(".stacksync/journal"))
	require.NoError(c.w.t, err)
	return data
}

// cutJournal makes a closed device forget the end of what it has saved since before: all of it at 0 percent saved.
func (c *client) cutJournal(before []byte, percent int) {
	c.w.t.Helper()
	now := c.journal()
	if !bytes.HasPrefix(now, before) {
		now = before // it was rewritten meanwhile
	}
	keep := len(before) + (len(now)-len(before))*percent/100
	require.NoError(c.w.t, os.WriteFile(c.at(".stacksync/journal"), now[:keep], 0o600))
}

// race lets something happen just before the next commit.
type race struct {
	device.Service
	before func()
}

func (s *race) wrap(service device.Service) device.Service {
	s.Service = service
	return s
}

func (s *race) Commit(ctx context.Context, r stacksync.CommitRequest) (stacksync.CommitResult, error) {
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
	return s.Service.Commit(ctx, r)
}

// hostile calls items by other names.
type hostile struct {
	device.Service
	names map[string]string
}

func (s *hostile) wrap(service device.Service) device.Service {
	s.Service = service
	return s
}

func (s *hostile) Changes(ctx context.Context, r stacksync.ChangesRequest) (stacksync.ChangesPage, error) {
	page, err := s.Service.Changes(ctx, r)
	page.Items = slices.Clone(page.Items)
	for i := range page.Items {
		if name, ok := s.names[page.Items[i].Name]; ok {
			page.Items[i].Name = name
		}
	}
	return page, err
}
