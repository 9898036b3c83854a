package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/stacksync/stacksync-go"
)

// newClient returns the client for signed requests: that of the configuration or one of its own, which follows no redirect.
func newClient(given *http.Client, workers int) *http.Client {
	var c http.Client
	if given != nil {
		c = *given
	} else {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = workers
		t.DisableCompression = true // content comes as it is stored
		c.Transport = t
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// put sends a chunk to the storage. The caller can use data for something else when it returns.
func (j *job) put(ctx context.Context, r stacksync.SignedRequest, data []byte) error {
	return j.exchange(ctx, stacksync.Put, r, data, func(res *http.Response) error {
		if res.StatusCode/100 == 2 || res.StatusCode == http.StatusPreconditionFailed { // which says that it is stored
			return nil
		}
		return j.refusal(res)
	})
}

// get fetches a chunk from the storage.
func (j *job) get(ctx context.Context, r stacksync.SignedRequest, c stacksync.Chunk, to io.Writer) error {
	return j.exchange(ctx, stacksync.Get, r, nil, func(res *http.Response) error {
		switch res.StatusCode {
		case http.StatusOK:
			return copyChunk(to, res.Body, c)
		case http.StatusNotFound:
			return fmt.Errorf("%w: %w", errContent, stacksync.ErrChunkNotFound)
		}
		return j.refusal(res)
	})
}

// exchange sends a signed request and has its answer judged. Its errors have neither the URL nor what the storage says about it: both hold
// what lets anybody do the same.
func (j *job) exchange(
	ctx context.Context, method stacksync.Method, r stacksync.SignedRequest, data []byte, judge func(*http.Response) error,
) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", method, err)
		}
	}()
	if r.Method != method {
		return fmt.Errorf("the request is for %.10q", r.Method)
	}
	w := newWatch(ctx, j.patience)
	defer w.stop()
	req, err := http.NewRequestWithContext(w.ctx, string(method), r.URL, http.NoBody)
	if err != nil {
		return withoutURL(err)
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host // net/http looks here only
	}
	if len(data) > 0 {
		l := &loan{data: data, watch: w}
		defer l.end()
		req.ContentLength = int64(len(data))
		req.Body = l.reader()
		req.GetBody = func() (io.ReadCloser, error) { return l.reader(), nil } // for a connection that turns out to be dead
	}
	res, err := j.client.Do(req)
	if err != nil {
		return &laterError{err: w.why(withoutURL(err))}
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	res.Body = &watchedBody{ReadCloser: res.Body, watch: w}
	err = judge(res)
	// So that the connection can be used again, the rest is read, where that is short.
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10)
	return err
}

// refusal says what an answer means that is no success.
func (j *job) refusal(res *http.Response) error {
	err := fmt.Errorf("the storage answers %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	switch code := res.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%w: %w", errExpired, err)
	case code == http.StatusRequestTimeout || code == http.StatusConflict || code == http.StatusTooManyRequests || code >= 500:
		return &laterError{after: retryAfter(res.Header, j.cfg.Now()), err: err}
	}
	return err
}

// retryAfter returns how long the storage asks to wait: a number of seconds, or a date (RFC 9110, 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return at.Sub(now)
	}
	return 0
}

// withoutURL returns what is wrong, without the URL that net/http puts before it.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
