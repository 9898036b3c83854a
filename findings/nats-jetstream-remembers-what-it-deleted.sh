#!/usr/bin/env bash
# A message that is published again after a purge is acknowledged, and the stream stays empty.
#
# Expected: a message id keeps two copies of a message out of the stream, so once the first copy is deleted or purged,
# the next one is stored. Instead: the server remembers ids by time alone (Duplicates, two minutes by default). The
# acknowledgement says Duplicate and names a sequence that no longer exists; the error is nil. Another subject of the
# stream with the same id is a duplicate, too.
# Versions: nats-server v2.15.3, github.com/nats-io/nats.go v1.55.0.
# For a host: "purge, then fill anew" with deterministic ids loses all. Make ids differ for each filling, or look at
# PubAck.Duplicate.
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
	"context"
	"fmt"
	"log"
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
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "CHANGES", Subjects: []string{"changes.>"}})
	must(err)
	publish := func(what, subject string) {
		ack, err := js.Publish(ctx, subject, []byte("content"), jetstream.WithMsgID("workspace-1-revision-1"))
		if err != nil {
			fmt.Println(what, err)
			return
		}
		info, err := stream.Info(ctx)
		must(err)
		fmt.Printf("%s: sequence %d, duplicate %v, error nil; messages in the stream: %d\n", what, ack.Sequence, ack.Duplicate, info.State.Msgs)
	}
	publish("first", "changes.a")
	must(stream.DeleteMsg(ctx, 1))
	publish("after its deletion", "changes.a")
	must(stream.Purge(ctx))
	publish("after a purge", "changes.a")
	publish("on another subject", "changes.b")
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
first: sequence 1, duplicate false, error nil; messages in the stream: 1
after its deletion: sequence 1, duplicate true, error nil; messages in the stream: 0
after a purge: sequence 1, duplicate true, error nil; messages in the stream: 0
on another subject: sequence 1, duplicate true, error nil; messages in the stream: 0
SEEN
