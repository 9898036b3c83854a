#!/usr/bin/env bash
# `curl -C` resumes an upload, the server says 201, and the file is only the resumed part.
#
# Expected: a server that cannot save a part refuses a PUT that has a Content-Range (RFC 9110, 14.5, asks for 400
# where it is not supported). Instead: Go's WebDAV handler does not look at it: the part replaces the whole file, with
# the status of success.
# Versions: golang.org/x/net/webdav v0.60.0, curl 7.88.
# For a host: people resume uploads with `curl -C OFFSET -T FILE`. Refuse a PUT with Content-Range before the handler.
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get golang.org/x/net@v0.60.0
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"

	"golang.org/x/net/webdav"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(http.Serve(listener, &webdav.Handler{FileSystem: webdav.Dir("served"), LockSystem: webdav.NewMemLS()}))
}
EOF
go build -o dav .
mkdir served
./dav >address &
server=$!
for _ in {1..100}; do [[ -s address ]] && break || sleep 0.05; done
url=http://$(<address)/file

printf '0123456789' >file
put() { curl -s -o /dev/null -w '%{http_code}' -T file "$@" "$url"; }
out="curl -T: $(put), the server has: $(<served/file)"
printf '01234567' >served/file
out+=$'\n'"an upload was cut, the server has: $(<served/file)"
out+=$'\n'"curl -C 8 -T: $(put -C 8), the server has: $(<served/file)"
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
curl -T: 201, the server has: 0123456789
an upload was cut, the server has: 01234567
curl -C 8 -T: 201, the server has: 89
SEEN
