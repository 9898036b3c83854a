package swift

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"golang.org/x/sync/errgroup"

	"github.com/stacksync/stacksync-go"
)

const (
	tries     = 6
	firstWait = 200 * time.Millisecond
	mostWait  = 30 * time.Second // that an answer may ask for
	logins    = 3                // after refusals: the next token may be revoked, too
)

// retry makes a call, and makes it again where that may help: with another token after a 401, or after a while. rewind makes the call's
// content ready to be sent again, and reports whether it could; nil means that there is none.
func (s *Storage) retry(ctx context.Context, rewind func() bool, call func(ctx context.Context, token string) error) error {
	renewed := 0
	for try := 1; ; try++ {
		token, err := s.session.token(ctx)
		if err == nil {
			err = call(ctx, token)
		}
		if err == nil {
			return nil
		}
		if content, ok := errors.AsType[*contentError](err); ok {
			return content.err
		}
		err = clean(ctx, err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		refused := isStatus(err, http.StatusUnauthorized) && renewed < logins && token != ""
		if !refused && (!temporary(err) || try >= tries) || rewind != nil && !rewind() {
			return err
		}
		if refused {
			renewed++
			e := s.session.renew(ctx, token)
			if e == nil {
				try--
				continue
			}
			if err = e; !temporary(err) {
				return err
			}
		}
		delay := waitOf(err, try)
		if delay > mostWait {
			return fmt.Errorf("%w (try again in %v)", err, delay)
		}
		s.log.Warn("request to Swift failed, trying again", "err", err, "try", try, "in", delay)
		if err := sleep(ctx, delay); err != nil {
			return err
		}
	}
}

// waitOf returns how long to wait after the given try.
func waitOf(err error, try int) time.Duration {
	longest := firstWait << (try - 1)
	delay := longest/2 + rand.N(longest/2) //nolint:gosec // spreads load
	if e, ok := errors.AsType[*StatusError](err); ok && e.retryAfter > 0 {
		delay = e.retryAfter + rand.N(longest/2) //nolint:gosec // as above
	}
	return delay
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// request is one to Swift.
type request struct {
	method    string
	container string // with the prefix; empty for the account
	object    string // of characters that need no escaping
	query     string
	header    map[string]string
	body      io.Reader
	ok        []int
	// overtaken says that 409 (Conflict) means: another request for the object has a later time. Sent again, this one has.
	overtaken bool
	into      any  // what the answer's JSON is read into
	stream    bool // the caller reads and closes the answer's body
}

// answer is what matters of one from Swift.
type answer struct {
	status int
	header http.Header
	size   int64         // of the body, or what HEAD says of it; negative where it is not told
	body   io.ReadCloser // for who asked it to stream; else it is closed
}

// send sends a request once.
func (s *Storage) send(ctx context.Context, token string, r request) (answer, error) {
	path := s.url
	if r.container != "" {
		path += "/" + r.container
	}
	if r.object != "" {
		path += "/" + r.object
	}
	if r.query != "" {
		path += "?" + r.query
	}
	header := map[string]string{"X-Auth-Token": token}
	for name, value := range r.header {
		header[name] = value
	}
	o := &gophercloud.RequestOpts{RawBody: r.body, MoreHeaders: header, OkCodes: r.ok, JSONResponse: r.into, KeepResponseBody: r.stream}
	res, err := s.wire.Request(ctx, r.method, path, o) //nolint:bodyclose // closed by gophercloud, or by who asked it to stream
	err = clean(ctx, err)
	if e, ok := errors.AsType[*StatusError](err); ok && r.overtaken {
		e.overtaken = e.Status == http.StatusConflict
	}
	if err != nil {
		return answer{}, err
	}
	return answer{status: res.StatusCode, header: res.Header, size: res.ContentLength, body: res.Body}, nil
}

// do sends a request without content, again where that may help.
func (s *Storage) do(ctx context.Context, r request) (res answer, err error) {
	err = s.retry(ctx, nil, func(ctx context.Context, token string) error {
		res, err = s.send(ctx, token, r)
		return err
	})
	return res, err
}

// each calls f for 0 to n-1, Parallel at a time, and returns the first error.
func (s *Storage) each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	if n == 1 {
		return f(ctx, 0)
	}
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(s.cfg.Parallel)
	for i := range n {
		if inner.Err() != nil {
			break
		}
		g.Go(func() error { return f(inner, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// locate finds the account's URL in Keystone's catalog.
func (s *Storage) locate(context.Context) error {
	client, err := openstack.NewObjectStorageV1(s.session.provider, gophercloud.EndpointOpts{Region: s.cfg.Region, Availability: s.cfg.Availability})
	if err != nil {
		return fmt.Errorf("find the object store in Keystone's catalog (region %q): %w", s.cfg.Region, err)
	}
	s.url = strings.TrimSuffix(client.Endpoint, "/")
	return nil
}

func (s *Storage) container(name string) string { return s.cfg.Prefix + name }

func missingContainer(name string) error {
	return fmt.Errorf("container %q %w", name, stacksync.ErrNotFound)
}
