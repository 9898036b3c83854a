package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/stacksync/stacksync-go/backend/dir"
	"github.com/stacksync/stacksync-go/metastore/sqlite"
	"github.com/stacksync/stacksync-go/notify/local"
	"github.com/stacksync/stacksync-go/service"
)

// server is the sync service, as a host program would set it up. Sharing needs nothing that a service for single users does not have.
type server struct {
	*service.Service
	closers []interface{ Close() error } // in the order to close them
}

func startServer(ctx context.Context, folder string, log *slog.Logger) (_ *server, err error) {
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
	chunks, err := dir.Open(ctx, filepath.Join(folder, "chunks"), dir.Config{Logger: log})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, chunks)
	notifier := local.New(local.Config{})
	s.closers = append(s.closers, notifier)
	s.Service, err = service.New(store, service.Config{Storage: chunks, Notifier: notifier, ChunkHash: sha256.New, Logger: log})
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
