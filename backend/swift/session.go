package swift

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/stacksync/stacksync-go"
)

const (
	loginBound = time.Minute
	loginPause = 10 * time.Second // after an early login that failed
)

// session has the token that requests are sent with. Whoever finds that it ends has it renewed for all: one login is under way at a time,
// and goes on when the caller that began it gives up, since others wait for it.
type session struct {
	provider *gophercloud.ProviderClient
	login    func(context.Context) error // of a session that has never logged in
	log      *slog.Logger

	life    context.Context //nolint:containedctx // ends with Close: logins are nobody's in particular
	end     context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	ongoing *renewal
	// renewAt is when to renew the token early, since a write that can't be sent again had better not meet its end; zero for never. Calls
	// go on with the old one meanwhile, up to endsAt.
	renewAt, endsAt time.Time
}

// renewal is a login that is under way: err is set when done is closed.
type renewal struct {
	done chan struct{}
	err  error
}

func newSession(c *Config, wire *gophercloud.ProviderClient) (*session, error) {
	s := &session{log: c.Logger, provider: c.Provider}
	s.life, s.end = context.WithCancel(context.Background())
	if s.provider != nil {
		s.plan()
		return s, nil
	}
	provider, err := openstack.NewClient(c.AuthURL)
	if err != nil {
		return nil, err
	}
	provider.HTTPClient = wire.HTTPClient
	s.provider = provider
	as := tokens.AuthOptions{
		IdentityEndpoint: c.AuthURL, Username: c.Username, Password: string(c.Password), DomainName: c.Domain, AllowReauth: true,
		Scope: tokens.Scope{ProjectName: c.Project, DomainName: c.ProjectDomain},
	}
	s.login = func(ctx context.Context) error {
		return openstack.AuthenticateV3(ctx, provider, &as, gophercloud.EndpointOpts{})
	}
	return s, nil
}

// token returns a token that is good for a while. It waits for a login only where there is no such token.
func (s *session) token(ctx context.Context) (string, error) {
	s.mu.Lock()
	token, now := s.provider.Token(), time.Now()
	early := token != "" && !s.renewAt.IsZero() && now.After(s.renewAt)
	good := token != "" && (!early || now.Before(s.endsAt))
	if early && good && !s.closed {
		s.begin(token)
	}
	s.mu.Unlock()
	if good {
		return token, nil
	}
	err := s.renew(ctx, token)
	if err != nil && token == "" {
		return "", err
	}
	if err != nil && ctx.Err() == nil { // the old one may do, if clocks differ
		return token, nil
	}
	return s.provider.Token(), ctx.Err()
}

// renew gets a token in place of old, unless somebody has done so already.
func (s *session) renew(ctx context.Context, old string) error {
	s.mu.Lock()
	if token := s.provider.Token(); token != "" && token != old {
		s.mu.Unlock()
		return nil
	}
	if s.closed {
		s.mu.Unlock()
		return fmt.Errorf("log in: storage is %w", stacksync.ErrClosed)
	}
	r := s.begin(old)
	s.mu.Unlock()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin returns the login that is under way, or begins one in place of old. Its caller holds mu, and has found the session open.
func (s *session) begin(old string) *renewal {
	if s.ongoing == nil {
		r := &renewal{done: make(chan struct{})}
		s.ongoing = r
		s.running.Go(func() { s.run(r, old) })
	}
	return s.ongoing
}

func (s *session) run(r *renewal, old string) {
	ctx, cancel := context.WithTimeout(s.life, loginBound)
	defer cancel()
	var err error
	if s.login != nil && old == "" {
		err = s.login(ctx)
	} else {
		err = s.provider.Reauthenticate(ctx, old)
	}
	switch {
	case s.life.Err() != nil:
		err = fmt.Errorf("log in: storage is %w", stacksync.ErrClosed)
	case err != nil:
		err = fmt.Errorf("log in: %w", clean(ctx, err))
	case s.provider.Token() == old:
		err = fmt.Errorf("log in: %w", &StatusError{Method: http.MethodPost, Status: http.StatusUnauthorized, Text: "the token can't be renewed"})
	}
	if err != nil && old != "" && s.life.Err() == nil { // nobody may be waiting
		s.log.Warn("login to Keystone for a new token failed", "err", err)
	}
	s.mu.Lock()
	if err == nil {
		s.plan()
	} else if !s.renewAt.IsZero() {
		s.renewAt = time.Now().Add(loginPause)
	}
	s.ongoing = nil
	s.mu.Unlock()
	r.err = err
	close(r.done)
}

// plan sets endsAt to the end of the token's life, and renewAt to when four fifths of it are over, by this machine's clock. Its caller
// holds mu.
func (s *session) plan() {
	s.renewAt = time.Time{}
	issued, ok := s.provider.GetAuthResult().(interface {
		ExtractToken() (*tokens.Token, error)
	})
	if !ok {
		return
	}
	token, err := issued.ExtractToken()
	if err != nil || token.ExpiresAt.IsZero() {
		return
	}
	now := time.Now()
	life := token.ExpiresAt.Sub(now)
	if r, ok := issued.(tokens.CreateResult); ok { // made just now, by the server's clock
		if date, err := http.ParseTime(r.Header.Get("Date")); err == nil {
			life = token.ExpiresAt.Sub(date)
		}
	}
	s.renewAt, s.endsAt = now.Add(life*4/5), now.Add(life)
}

func (s *session) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.running.Wait()
}

// project returns the project that the token is for, as Keystone names it; nil where that is not known.
func (s *session) project() *tokens.Project {
	if issued, ok := s.provider.GetAuthResult().(interface {
		ExtractProject() (*tokens.Project, error)
	}); ok {
		if p, err := issued.ExtractProject(); err == nil {
			return p
		}
	}
	return nil
}
