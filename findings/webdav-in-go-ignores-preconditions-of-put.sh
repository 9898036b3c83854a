#!/usr/bin/env bash
# "Save only if nobody else did" overwrites, with 201, on a WebDAV server made of Go's package.
#
# Expected: PUT with `If-None-Match: *` on a file that exists, or with an `If-Match` of an older ETag, is 412: RFC 9110
# gives these conditions to all methods, and the package itself hands out ETags and answers 304 to GET. Instead: PUT
# and DELETE do not look at them. Only the `If` header of RFC 4918, with lock tokens or ETags, counts.
# Version: golang.org/x/net/webdav v0.60.0.
# For a host: two clients that protect each other's edits by ETag lose edits here. Check the conditions before the
# handler, or have clients lock.
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
	"net/http"
	"net/http/httptest"
	"strings"

	"golang.org/x/net/webdav"
)

func main() {
	server := httptest.NewServer(&webdav.Handler{FileSystem: webdav.Dir("."), LockSystem: webdav.NewMemLS()})
	defer server.Close()
	do := func(what, method, body string, header ...string) *http.Response {
		req, err := http.NewRequest(method, server.URL+"/note.txt", strings.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			log.Fatal(err)
		}
		content, err := io.ReadAll(resp.Body)
		if err != nil {
			log.Fatal(err)
		}
		_ = resp.Body.Close()
		if method != http.MethodGet {
			content = nil
		}
		fmt.Println(strings.TrimSpace(fmt.Sprintf("%s: %d %s", what, resp.StatusCode, content)))
		return resp
	}
	do("first PUT", "PUT", "ann's")
	old := do("GET", "GET", "").Header.Get("ETag")
	do("GET, If-None-Match of its ETag", "GET", "", "If-None-Match", old)
	do("PUT, If-None-Match: *", "PUT", "bob's longer", "If-None-Match", "*")
	do("PUT, If-Match of the older ETag", "PUT", "cid's", "If-Match", old)
	do("GET", "GET", "")
	do("PUT, If of the older ETag", "PUT", "dan's", "If", "(["+old+"])")
	do("DELETE, If-Match of the older ETag", "DELETE", "", "If-Match", old)
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
first PUT: 201
GET: 200 ann's
GET, If-None-Match of its ETag: 304
PUT, If-None-Match: *: 201
PUT, If-Match of the older ETag: 201
GET: 200 cid's
PUT, If of the older ETag: 412
DELETE, If-Match of the older ETag: 204
SEEN
