package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/stacksync/stacksync-go/metastore/sqlite"
	"github.com/stacksync/stacksync-go/notify/local"
	"github.com/stacksync/stacksync-go/service"
)

// server is the sync service, as a host program would set it up.
type server struct {
	*service.Service
	closers []io.Closer // in the order to close them
}

// startServer opens the service from its database in folder, and its storage. New ones are made where there are none.
func startServer(ctx context.Context, k *kind, folder string, log *slog.Logger, made func(container string)) (_ *server, err error) {
	s := &server{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	store, err := sqlite.Open(ctx, filepath.Join(folder, "metadata.db"), sqlite.Config{})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, store)
	chunks, err := k.open(ctx, folder, log)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, chunks)
	notifier := local.New(local.Config{})
	s.closers = append(s.closers, notifier)
	s.Service, err = service.New(store, service.Config{Storage: noting{chunks, made}, Notifier: notifier, ChunkHash: sha256.New, Logger: log})
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
