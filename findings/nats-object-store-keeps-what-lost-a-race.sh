#!/usr/bin/env bash
# Eight uploads of one object at a time: one is the object, and the content of the seven others stays for ever.
#
# Expected: an object that is overwritten frees the content of the one before it (it does, one after another), so after
# all eight calls, or at least after a deletion, the store is as large as what is in it. Instead: each Put that runs at
# the same time removes only the object that it saw when it began. All eight return nil; the store holds eight contents, the
# deletion removes one, and no object names the rest.
# Versions: nats-server v2.15.3, github.com/nats-io/nats.go v1.55.0 (jetstream).
# For a host: a store with a MaxBytes fills up with content that no list shows. Let one writer at a time put an object.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/nats-io/nats-server/v2@v2.15.3 github.com/nats-io/nats.go@v1.55.0
cat >main.go <<'EOF'
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// meeting holds each reader back until all have begun.
type meeting struct {
	io.Reader
	all  *sync.WaitGroup
	once sync.Once
}

func (m *meeting) Read(p []byte) (int, error) {
	m.once.Do(func() {
		m.all.Done()
		m.all.Wait()
	})
	return m.Reader.Read(p)
}

func main() {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: "store", NoSigs: true})
	must(err)
	go s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		log.Fatal("the server did not start")
	}
	nc, err := nats.Connect(s.ClientURL())
	must(err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	must(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "files"})
	must(err)
	const size = 500_000
	put := func(r io.Reader) {
		_, err := store.Put(ctx, jetstream.ObjectMeta{Name: "file"}, r)
		must(err)
	}
	content := func() io.Reader { return bytes.NewReader(make([]byte, size)) }
	show := func(what string) {
		status, err := store.Status(ctx)
		must(err)
		fmt.Println(what+": contents held:", status.Size()/size)
	}
	for range 8 {
		put(content())
	}
	show("8 one after another")
	var all, done sync.WaitGroup
	all.Add(8)
	for range 8 {
		done.Go(func() { put(&meeting{Reader: content(), all: &all}) })
	}
	done.Wait()
	show("8 at a time")
	must(store.Delete(ctx, "file"))
	show("deleted")
	_, err = store.List(ctx)
	fmt.Println("list:", err)
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
8 one after another: contents held: 1
8 at a time: contents held: 8
deleted: contents held: 7
list: nats: no objects found
SEEN
