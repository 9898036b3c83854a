#!/usr/bin/env bash
# A message to "hint.user..name" is published without an error and reaches nobody, not even a subscriber to everything.
#
# Expected: a subject that Subscribe refuses as invalid is refused by Publish, too; one with a space is. Instead: empty
# parts ("..", a dot at the end) are only checked by Subscribe. Publish and Flush return nil, LastError stays nil, and
# a subscription to "hint.>" gets nothing. And "hint.*" is no wildcard for Publish but a subject of that name.
# Versions: github.com/nats-io/nats.go v1.55.0, nats-server v2.15.3.
# For a host: ids that people choose ("ann.", "a..b") as parts of subjects lose their hints. Encode them (base64url).
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
	"fmt"
	"log"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true})
	must(err)
	go s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		log.Fatal("the server did not start")
	}
	nc, err := nats.Connect(s.ClientURL())
	must(err)
	defer nc.Close()
	all, err := nc.SubscribeSync("hint.>")
	must(err)
	for _, subject := range []string{"hint.ann", "hint.ann.", "hint.ann..bob", "hint.ann bob", "hint.*"} {
		_, subscribe := nc.SubscribeSync(subject)
		publish := nc.Publish(subject, []byte("x"))
		must(nc.Publish("hint.end", nil))
		must(nc.Flush())
		arrived := 0
		for {
			m, err := all.NextMsg(10 * time.Second)
			must(err)
			if m.Subject == "hint.end" {
				break
			}
			arrived++
		}
		fmt.Printf("%q: subscribe: %v; publish: %v; last error: %v; arrived: %d\n", subject, subscribe, publish, nc.LastError(), arrived)
	}
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
"hint.ann": subscribe: <nil>; publish: <nil>; last error: <nil>; arrived: 1
"hint.ann.": subscribe: nats: invalid subject; publish: <nil>; last error: <nil>; arrived: 0
"hint.ann..bob": subscribe: nats: invalid subject; publish: <nil>; last error: <nil>; arrived: 0
"hint.ann bob": subscribe: nats: invalid subject; publish: nats: invalid subject; last error: <nil>; arrived: 0
"hint.*": subscribe: <nil>; publish: <nil>; last error: <nil>; arrived: 1
SEEN
