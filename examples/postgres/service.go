package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/google/uuid"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/dir"
	pgstore "github.com/stacksync/stacksync-go/metastore/postgres"
	pgnotify "github.com/stacksync/stacksync-go/notify/postgres"
	"github.com/stacksync/stacksync-go/service"
)

// serviceCommand as the first argument makes the program a service process.
const serviceCommand = "service"

const user = "ada"

// options are what a service process is started with, beside the DSN.
type options struct {
	name, schema, chunks, dir, device string
	verbose                           bool
}

func (o options) args() []string {
	return []string{
		serviceCommand, "-name", o.name, "-schema", o.schema, "-chunks", o.chunks, "-folder", o.dir, "-device", o.device,
		fmt.Sprintf("-v=%t", o.verbose),
	}
}

func parseOptions(args []string) (o options, err error) {
	flags := flag.NewFlagSet(serviceCommand, flag.ContinueOnError)
	flags.StringVar(&o.name, "name", "", "of the device")
	flags.StringVar(&o.schema, "schema", "", "of the tables; the notifier's channel has its name too")
	flags.StringVar(&o.chunks, "chunks", "", "the folder of the content")
	flags.StringVar(&o.dir, "folder", "", "the folder to sync")
	flags.StringVar(&o.device, "device", "", "the id of the device, if it is registered")
	flags.BoolVar(&o.verbose, "v", false, "log")
	return o, flags.Parse(args)
}

// runService is a service process: it does what stdin says, until that ends.
func runService(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) (err error) {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if o.verbose {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("process", o.name)
	}
	s, err := startServer(ctx, os.Getenv(envDSN), o.schema, o.chunks, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	c, err := openClient(ctx, s.Service, o, &teller{w: stdout}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	c.follow(ctx)
	if err := c.tell(event{Kind: evReady, ID: c.id}); err != nil {
		return err
	}
	commands := bufio.NewScanner(stdin)
	for commands.Scan() {
		if err := c.do(ctx, commands.Text()); err != nil {
			return err
		}
	}
	return commands.Err()
}

// server is the sync service, as each of a host's processes would set it up.
type server struct {
	*service.Service
	closers []io.Closer // in the order to close them
}

func startServer(ctx context.Context, dsn, schema, chunks string, log *slog.Logger) (_ *server, err error) {
	s := &server{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	store, err := pgstore.Open(ctx, pgstore.Config{DSN: dsn, Schema: schema}) // makes the tables, whoever comes first
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, store)
	notifier, err := pgnotify.Open(ctx, pgnotify.Config{DSN: dsn, Channel: schema, Logger: log})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, notifier)
	storage, err := dir.Open(ctx, chunks, dir.Config{Logger: log})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, storage)
	s.Service, err = service.New(store, service.Config{Storage: storage, Notifier: notifier, ChunkHash: sha256.New, Logger: log})
	return s, err
}

// Close closes the service first, and then what it stands on.
func (s *server) Close() error {
	var err error
	if s.Service != nil {
		err = s.Service.Close()
	}
	for _, c := range s.closers {
		err = errors.Join(err, c.Close())
	}
	return err
}

// register returns the user's workspace and the device, which it registers unless it was before.
func register(ctx context.Context, s *service.Service, o options) (stacksync.WorkspaceID, stacksync.DeviceID, error) {
	res, err := s.PutUser(ctx, stacksync.PutUserRequest{User: user}) // both processes may do so at once
	if err != nil {
		return stacksync.WorkspaceID{}, stacksync.DeviceID{}, err
	}
	if o.device != "" {
		id, err := uuid.Parse(o.device)
		return res.User.DefaultWorkspace, stacksync.DeviceID{UUID: id}, err
	}
	registered, err := s.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: stacksync.Actor{User: user}, Name: o.name})
	if err != nil {
		return stacksync.WorkspaceID{}, stacksync.DeviceID{}, err
	}
	return res.User.DefaultWorkspace, registered.Device.ID, nil
}
