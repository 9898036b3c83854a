#!/usr/bin/env bash
# An overwriting upload that breaks off leaves the beginning of the new file in place of the old one.
#
# Expected: the old file is there until the new one is complete (a temporary file, then a rename), or at least after
# the upload failed. Instead: webdav.Handler opens the file with O_TRUNC before it reads the body: readers see what has
# come so far, and when the connection breaks that stays. A reader's GET is 200 with the short content.
# Version: golang.org/x/net/webdav v0.60.0.
# For a host: a phone that leaves its network destroys the version that was saved. Serve a FileSystem whose OpenFile writes
# elsewhere and takes the place on Close, and which hears of a failed upload (Close alone does not tell).
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get golang.org/x/net@v0.60.0
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"golang.org/x/net/webdav"
)

func main() {
	failed := make(chan error, 2)
	server := httptest.NewServer(&webdav.Handler{
		FileSystem: webdav.Dir("."), LockSystem: webdav.NewMemLS(),
		Logger: func(r *http.Request, err error) {
			if r.Method == http.MethodPut {
				failed <- err
			}
		},
	})
	defer server.Close()
	get := func() string {
		resp, err := http.Get(server.URL + "/file")
		if err != nil {
			log.Fatal(err)
		}
		content, err := io.ReadAll(resp.Body)
		if err != nil {
			log.Fatal(err)
		}
		_ = resp.Body.Close()
		return fmt.Sprint(resp.StatusCode, " ", len(content), " bytes")
	}
	address := strings.TrimPrefix(server.URL, "http://")
	put := func(announced, sent int) net.Conn {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			log.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "PUT /file HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", announced, strings.Repeat("x", sent))
		if err != nil {
			log.Fatal(err)
		}
		return conn
	}
	conn := put(1000, 1000)
	fmt.Println("first upload:", <-failed, "then GET:", get())
	_ = conn.Close()

	conn = put(2000, 30)
	for i := 0; i < 100 && get() == "200 1000 bytes"; i++ {
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Println("during the second: GET:", get())
	_ = conn.Close()
	fmt.Println("it broke:", <-failed, "then GET:", get())
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
first upload: <nil> then GET: 200 1000 bytes
during the second: GET: 200 30 bytes
it broke: unexpected EOF then GET: 200 30 bytes
SEEN
