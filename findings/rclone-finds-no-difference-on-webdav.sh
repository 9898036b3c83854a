#!/usr/bin/env bash
# A file was edited without changing its length: `rclone sync` leaves the old one on a WebDAV server, and `rclone check`
# finds "0 differences" and exits with 0.
#
# Expected: sync compares size and time, so the edit is uploaded. Instead: for WebDAV of no known vendor rclone can
# neither set times nor ask for hashes, so it compares sizes alone; --checksum and --update change nothing. A line
# "hashes could not be checked" is all that check says of it.
# Versions: rclone 1.60.1, golang.org/x/net/webdav v0.60.0.
# For a host: behind a WebDAV face, counters, dates and fixed-size records are not synced by rclone. Answer as one
# of the vendors that rclone knows (ETags do not help), or tell people to use --ignore-times.
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
if ! command -v rclone >/dev/null; then
	apt-get download rclone >&2
	dpkg -x rclone_*.deb deb
	PATH=$dir/deb/usr/bin:$PATH
fi
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
mkdir served home
./dav >address &
server=$!
for _ in {1..100}; do [[ -s address ]] && break || sleep 0.05; done
export RCLONE_CONFIG=/dev/null
remote=":webdav,url='http://$(<address)':"

show() { printf '%s; the server has: %s\n' "$1" "$(<served/counter)"; }
run() {
	printf '1000' >home/counter
	touch -d 2020-01-01 home/counter
	rclone sync home "$remote" 2>/dev/null
	show 'first sync'
	printf '1001' >home/counter
	rclone sync home "$remote" 2>/dev/null
	show 'sync after the edit'
	rclone sync --update home "$remote" 2>/dev/null
	show 'sync --update'
	rclone sync --checksum home "$remote" 2>/dev/null
	show 'sync --checksum'
	rclone check home "$remote" 2>check.log && printf 'check exits with 0: %s\n' "$(grep -o '[0-9]* differences found' check.log)"
	rclone sync --ignore-times home "$remote" 2>/dev/null
	show 'sync --ignore-times'
}
out=$(run)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
first sync; the server has: 1000
sync after the edit; the server has: 1000
sync --update; the server has: 1000
sync --checksum; the server has: 1000
check exits with 0: 0 differences found
sync --ignore-times; the server has: 1001
SEEN
