#!/usr/bin/env bash
# A file name with bytes that are no UTF-8 goes out as a text message; a Go client reads it, a Node client is thrown out.
#
# Expected: RFC 6455 (8.1) wants text messages to be UTF-8, so the library that writes one refuses other bytes, or the
# one that reads it fails with 1007. Instead: coder/websocket checks neither when it writes nor when it reads. The ws
# package does, as the RFC has it for browsers: it sends 1007 and drops the connection.
# Versions: github.com/coder/websocket v1.8.15, npm ws 8.18.3 on Node 20.
# For a host: one name from an old disk in a hint, and all browsers that follow the folder lose their connection, again
# after each reconnect, while tests with a Go client pass. Check utf8.Valid before each text message (encoding/json
# does it by replacing).
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-fund --no-audit --prefix . ws@8.18.3 >&2
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/coder/websocket@v1.8.15
cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/coder/websocket"
)

var messages = []string{"caf\xc3\xa9.txt", "caf\xe9.txt", "last"}

func main() {
	ctx := context.Background()
	if len(os.Args) > 1 {
		conn, _, err := websocket.Dial(ctx, os.Args[1], nil)
		if err != nil {
			log.Fatal(err)
		}
		defer conn.CloseNow()
		for range messages {
			_, message, err := conn.Read(ctx)
			fmt.Printf("Go: %q %v\n", message, err)
		}
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for _, m := range messages {
			if err := conn.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
				return
			}
		}
		_, _, _ = conn.Read(ctx)
	})))
}
EOF
cat >client.js <<'EOF'
const WebSocket = require('ws')
const socket = new WebSocket(process.argv[2])
socket.on('message', m => console.log('Node:', JSON.stringify(m.toString())))
socket.on('error', e => console.log('Node: error:', e.message))
socket.on('close', code => console.log('Node: closed:', code))
EOF
go build -o hints .
./hints >address &
server=$!
for _ in {1..100}; do [[ -s address ]] && break || sleep 0.05; done
url=ws://$(<address)
out=$(./hints "$url"; node client.js "$url")
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
Go: "café.txt" <nil>
Go: "caf\xe9.txt" <nil>
Go: "last" <nil>
Node: "café.txt"
Node: error: Invalid WebSocket frame: invalid UTF-8 sequence
Node: closed: 1006
SEEN
