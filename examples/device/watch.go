package device

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// errStalled says that nothing came or went for too long: the other side may be dead, or the line.
var errStalled = errors.New("nothing comes or goes any more")

// watch ends a request over which nothing comes or goes. How long one takes altogether is up to the line.
type watch struct {
	ctx      context.Context // of the request
	cancel   context.CancelCauseFunc
	patience time.Duration
	timer    *time.Timer
}

func newWatch(ctx context.Context, patience time.Duration) *watch {
	w := &watch{patience: patience}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(patience, func() { w.cancel(errStalled) })
	return w
}

func (w *watch) progress() { w.timer.Reset(w.patience) }

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// why returns the reason of an error: that of the context, if that has ended.
func (w *watch) why(err error) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return err
}

// watchedBody is the body of an answer. What goes wrong with reading it may go well another time.
type watchedBody struct {
	io.ReadCloser
	watch *watch
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.watch.progress()
	if err != nil && !errors.Is(err, io.EOF) {
		err = &laterError{err: b.watch.why(err)}
	}
	return n, err
}

// loan lends data to a request. An http.Client may read on after it has returned (the storage can answer early): then it gets an error,
// since the data are something else by then.
type loan struct {
	watch *watch
	mu    sync.Mutex
	data  []byte // nil: ended
}

func (l *loan) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.data = nil
}

func (l *loan) reader() io.ReadCloser { return &loanReader{loan: l} }

type loanReader struct {
	*loan
	at int
}

func (r *loanReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.data == nil {
		return 0, io.ErrClosedPipe
	}
	r.watch.progress()
	n := copy(p, r.data[r.at:])
	if r.at += n; r.at == len(r.data) {
		return n, io.EOF
	}
	return n, nil
}

func (*loanReader) Close() error { return nil }
