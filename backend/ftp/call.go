package ftp

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/stacksync/stacksync-go"
)

// join returns a context that ends with Close, too. The caller calls the function at the end.
func (s *Storage) join(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if s.closing.Err() != nil {
		cancel(stacksync.ErrClosed)
	}
	stop := context.AfterFunc(s.closing, func() { cancel(stacksync.ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// ended returns why a context has ended, and nil for one that has not.
func ended(ctx context.Context) error {
	if err := context.Cause(ctx); errors.Is(err, stacksync.ErrClosed) {
		return err
	}
	return ctx.Err()
}

// with calls f with a connection.
func (s *Storage) with(ctx context.Context, f func(*conn) error) error {
	c, err := s.hold(ctx, f)
	if err == nil {
		s.release(c)
	}
	return err
}

// hold calls f with a connection, which the caller gives back, if f has succeeded, by release or abandon. A pooled connection that turns
// out to be dead is replaced once by a new one, unless f has done by then what can't be done again.
func (s *Storage) hold(ctx context.Context, f func(*conn) error) (*conn, error) {
	if err := s.pool.permits.Acquire(ctx, 1); err != nil {
		return nil, ended(ctx)
	}
	c, err := s.try(ctx, f)
	if err != nil {
		s.pool.permits.Release(1)
		if why := ended(ctx); why != nil {
			return nil, why
		}
		return nil, err
	}
	return c, nil
}

func (s *Storage) try(ctx context.Context, f func(*conn) error) (*conn, error) {
	for again := false; ; again = true {
		c, fresh, err := s.pool.get(ctx, again)
		if err != nil {
			return nil, err
		}
		err = f(c)
		switch {
		case err == nil:
			return c, nil
		case !isBroken(err):
			s.pool.put(c)
			return nil, err
		}
		s.pool.drop(c)
		if fresh || c.spent || !isEnd(err) {
			return nil, err
		}
		s.log.Debug("a connection that was idle is dead", "server", s.pool.server.addr)
		s.pool.dropIdle()
	}
}

func (s *Storage) release(c *conn) {
	s.pool.put(c)
	s.pool.permits.Release(1)
}

func (s *Storage) abandon(c *conn) {
	s.pool.drop(c)
	s.pool.permits.Release(1)
}

// each calls f with 0 to n-1, as many at a time as there are connections.
func (s *Storage) each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	if n == 1 {
		return f(ctx, 0)
	}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(s.maxConns)
	for i := range n {
		if within.Err() != nil {
			break
		}
		group.Go(func() error { return f(within, i) })
	}
	err := group.Wait()
	if why := ended(ctx); err != nil && why != nil {
		return why
	}
	if err == nil {
		err = ended(ctx)
	}
	return err
}
