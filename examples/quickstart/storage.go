package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/dir"
	storage "github.com/stacksync/stacksync-go/backend/memory"
)

// opened is a back-end for content that was opened, and is to be closed.
type opened interface {
	stacksync.StorageProvisioner
	io.Closer
}

// kind is a back-end that -storage names.
type kind struct {
	name, about string
	settings    []setting
	// open opens the storage of a service that has its files in folder.
	open func(ctx context.Context, folder string, log *slog.Logger) (opened, error)
	// tree is the part of the Go toolchain's src that is synced by default: all of it where that takes a minute or less.
	tree string
	// forgetful says that the content is gone with the process.
	forgetful bool
}

// setting is an environment variable: secrets are no arguments, which every user of the machine sees.
type setting struct {
	name, about string
	optional    bool
}

func kinds() []*kind {
	return []*kind{
		{name: "dir", about: "on the local disk", open: openDir},
		{name: "memory", about: "in memory", open: openMemory(), forgetful: true},
		{name: "s3", about: "in an object store that speaks S3", settings: s3Settings, open: openS3},
		{name: "swift", about: "in OpenStack Swift, by Keystone 3", settings: swiftSettings, open: openSwift(), tree: "internal"},
		{name: "ftp", about: "on an FTP server, by TLS", settings: ftpSettings, open: openFTP},
	}
}

// remote says that content would be left there after the program.
func (k *kind) remote() bool { return len(k.settings) > 0 }

// findKind returns a kind whose settings are there.
func findKind(name string) (*kind, error) {
	var names []string
	for _, k := range kinds() {
		if k.name == name {
			return k, k.check()
		}
		names = append(names, k.name)
	}
	return nil, fmt.Errorf("there is no storage %q, but %s", name, strings.Join(names, ", "))
}

func (k *kind) check() error {
	var missing []string
	for _, s := range k.settings {
		if !s.optional && os.Getenv(s.name) == "" {
			missing = append(missing, s.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("storage %s needs %s in the environment: see -h", k.name, strings.Join(missing, ", "))
	}
	return nil
}

// describe writes what the storages need, for -h.
func describe(w io.Writer) {
	var b strings.Builder
	b.WriteString("\nStorages, and what they need in the environment:\n")
	for _, k := range kinds() {
		fmt.Fprintf(&b, "  %-8s %s\n", k.name, k.about)
		for _, s := range k.settings {
			fmt.Fprintf(&b, "    %-24s %s\n", s.name, s.about)
		}
	}
	_, _ = io.WriteString(w, b.String())
}

func openDir(ctx context.Context, folder string, log *slog.Logger) (opened, error) {
	return dir.Open(ctx, filepath.Join(folder, "chunks"), dir.Config{Logger: log})
}

// openMemory keeps the content as long as this process runs, however often the service is started.
func openMemory() func(context.Context, string, *slog.Logger) (opened, error) {
	kept := unclosed{storage.New(storage.Config{})}
	return func(context.Context, string, *slog.Logger) (opened, error) { return kept, nil }
}

type unclosed struct{ *storage.Storage }

func (unclosed) Close() error { return nil }

// noting is a storage that notes which containers are made. Since it has Unwrap, the service still finds what else the storage can do.
type noting struct {
	opened
	made func(container string)
}

func (n noting) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
	n.made(p.Container) // first: who fails may have made it
	return n.opened.CreateContainer(ctx, p)
}

func (n noting) Unwrap() stacksync.StorageProvisioner { return n.opened }

// remove deletes containers, of a service that is closed.
func (k *kind) remove(ctx context.Context, folder string, log *slog.Logger, containers []string) (err error) {
	s, err := k.open(ctx, folder, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, c := range containers {
		if _, err := s.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: c}); err != nil {
			return err
		}
	}
	return nil
}
