package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/device"
	"github.com/stacksync/stacksync-go/examples/internal/story"
)

// The users.
const (
	ada stacksync.UserID = "ada"
	bob stacksync.UserID = "bob"
	eve stacksync.UserID = "eve"
)

var users = []stacksync.UserID{ada, bob, eve}

// show is the whole performance.
type show struct {
	out    story.Writer
	log    *slog.Logger
	temp   string // where everything is
	server *server

	adaLaptop, adaDesktop, bobLaptop, bobPhone, eveTablet *client

	clients []*client // all of them
	fresh   []*client // devices of the end: see fetchAnew
	garden  stacksync.WorkspaceID
}

// prepare starts the service, and connects all devices.
func (s *show) prepare(ctx context.Context) error {
	folder := filepath.Join(s.temp, "server")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	var err error
	if s.server, err = startServer(ctx, folder, s.log); err != nil {
		return fmt.Errorf("start the service: %w", err)
	}
	for _, d := range []struct {
		client **client
		user   stacksync.UserID
		name   string
	}{
		{&s.adaLaptop, ada, "ada's laptop"},
		{&s.adaDesktop, ada, "ada's desktop"},
		{&s.bobLaptop, bob, "bob's laptop"},
		{&s.bobPhone, bob, "bob's phone"},
		{&s.eveTablet, eve, "eve's tablet"},
	} {
		c, err := s.newClient(ctx, d.user, d.name)
		if err != nil {
			return err
		}
		c.follow(ctx)
		*d.client = c
		s.clients = append(s.clients, c)
	}
	s.out.Line("service", "SQLite and local disk in %s, in this process; users ada, bob and eve with five devices beside it", folder)
	return nil
}

func (s *show) newClient(ctx context.Context, user stacksync.UserID, name string) (*client, error) {
	res, err := s.server.PutUser(ctx, stacksync.PutUserRequest{User: user})
	if err != nil {
		return nil, err
	}
	return newClient(ctx, s.server, res.User, name, filepath.Join(s.temp, name), s.log)
}

// close closes the devices, and then the service.
func (s *show) close() error {
	var errs []error
	for _, c := range slices.Concat(s.clients, s.fresh) {
		errs = append(errs, c.close())
	}
	if s.server != nil {
		errs = append(errs, s.server.Close())
	}
	return errors.Join(errs...)
}

// of returns the devices of some users.
func (s *show) of(users ...stacksync.UserID) []*client {
	var found []*client
	for _, c := range s.clients {
		if slices.Contains(users, c.actor.User) {
			found = append(found, c)
		}
	}
	return found
}

// settle syncs devices until none has anything to tell or to learn.
func (s *show) settle(ctx context.Context, clients ...*client) error {
	const rounds = 10
	for range rounds {
		quiet := true
		for _, c := range clients {
			r, err := c.sync(ctx)
			if err != nil {
				return err
			}
			quiet = quiet && r.Committed == 0 && r.ItemsApplied == 0
		}
		if quiet {
			return nil
		}
	}
	return fmt.Errorf("devices are not done after %d rounds", rounds)
}

// appears waits until the devices show the garden.
func (s *show) appears(ctx context.Context, clients ...*client) error {
	for _, c := range clients {
		if err := c.await(ctx, func() bool { return c.shared[s.garden] != nil }); err != nil {
			return err
		}
	}
	return nil
}

// disappears waits until the devices show it no more.
func (s *show) disappears(ctx context.Context, clients ...*client) error {
	for _, c := range clients {
		if err := c.await(ctx, func() bool { return c.shared[s.garden] == nil }); err != nil {
			return err
		}
	}
	return nil
}

// refused checks that an error is what it has to be.
func refused(what string, err, want error) error {
	switch {
	case err == nil:
		return errors.New(what + ", and is not refused")
	case !errors.Is(err, want):
		return fmt.Errorf("%s, and is refused for another reason: %w", what, err)
	}
	return nil
}

// used returns how many bytes are charged to a user.
func (s *show) used(ctx context.Context, user stacksync.UserID) (int64, error) {
	res, err := s.server.GetUser(ctx, stacksync.GetUserRequest{User: user})
	return res.User.QuotaUsed, err
}

// plant writes the files that the story begins with.
func (s *show) plant() error {
	photos := rand.New(rand.NewPCG(1, 2)) // the same in each show
	photo := func(bytes int) string {
		b := make([]byte, bytes)
		for i := range b {
			b[i] = byte(photos.Uint32())
		}
		return string(b)
	}
	lastYear := time.Now().AddDate(-1, 0, 0) // a device reads files that have just changed once more
	for _, f := range []struct {
		client        *client
		name, content string
	}{
		{s.adaLaptop, "garden/plan.txt", "beans, peas\n"},
		{s.adaLaptop, "garden/todo.txt", "dig\n"},
		{s.adaLaptop, "garden/beds/north.txt", "shade\n"},
		{s.adaLaptop, "garden/beds/south.txt", "sun\n"},
		{s.adaLaptop, "garden/beds/east.txt", strings.Repeat("morning sun\n", 1000)},
		{s.adaLaptop, "garden/photos/spring.jpg", photo(800_000)},
		{s.adaLaptop, "garden/photos/summer.jpg", photo(300_000)},
		{s.adaLaptop, "garden/photos/old/1999.jpg", photo(90_000)},
		{s.adaLaptop, "letters/to bob.txt", "dear Bob\n"},
		{s.adaLaptop, "diary.txt", "nobody reads this\n"},
		{s.bobLaptop, "recipes/soup.txt", "peas\n"},
		{s.bobLaptop, "garden/mine.txt", "a folder of Bob's own that happens to have the name\n"},
		{s.eveTablet, "songs.txt", "la la\n"},
	} {
		if err := f.client.home.write(f.name, f.content); err != nil {
			return err
		}
		if err := os.Chtimes(f.client.home.path(f.name), lastYear, lastYear); err != nil {
			return err
		}
	}
	return nil
}

// total adds up what devices do in one Sync each.
func (s *show) total(ctx context.Context, clients ...*client) (sum device.Report, err error) {
	for _, c := range clients {
		r, err := c.sync(ctx)
		if err != nil {
			return sum, err
		}
		sum.Committed += r.Committed
		sum.BytesDownloaded += r.BytesDownloaded
		sum.Conflicts = append(sum.Conflicts, r.Conflicts...)
	}
	return sum, nil
}
