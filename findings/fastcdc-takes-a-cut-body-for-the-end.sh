#!/usr/bin/env bash
# An upload that breaks off half-way is cut into chunks without an error, as if the file were that short.
#
# Expected: a chunker hands on the error of its reader. A request body that ends before its Content-Length gives
# io.ErrUnexpectedEOF in net/http, so a server (or a client that downloads) that chunks such a body learns of the cut.
# Instead: fastcdc fills its buffer with io.ReadFull, which uses io.ErrUnexpectedEOF itself to say "the last part is
# short". The reader's own io.ErrUnexpectedEOF cannot be told from it and is taken for the end: Next returns all chunks
# and then io.EOF. Any other error of the reader comes through.
# Versions: github.com/jotfs/fastcdc-go v0.2.0, net/http of Go 1.26.
# For a host: a broken upload becomes a short file with correct hashes. Compare the sum of the chunks' sizes with the
# announced size, or wrap the reader so that io.ErrUnexpectedEOF becomes another error.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/jotfs/fastcdc-go@v0.2.0
cat >main.go <<'EOF'
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing/iotest"

	"github.com/jotfs/fastcdc-go"
)

func chunk(r io.Reader) {
	chunker, err := fastcdc.NewChunker(r, fastcdc.Options{AverageSize: 16 << 10})
	if err != nil {
		log.Fatal(err)
	}
	size := 0
	for {
		c, err := chunker.Next()
		if err != nil {
			fmt.Printf("fastcdc: %d bytes, then %v\n", size, err)
			return
		}
		size += c.Length
	}
}

func main() {
	// The server announces 1,000,000 bytes and breaks the connection after 300,000.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		_, _ = w.Write(make([]byte, 300_000))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	get := func() io.ReadCloser {
		resp, err := http.Get(server.URL)
		if err != nil {
			log.Fatal(err)
		}
		return resp.Body
	}

	body := get()
	n, err := io.Copy(io.Discard, body)
	fmt.Printf("io.Copy: %d bytes, then %v\n", n, err)
	_ = body.Close()

	body = get()
	chunk(body)
	_ = body.Close()

	fmt.Println("another error:")
	chunk(iotest.ErrReader(errors.New("disk gone")))
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
io.Copy: 300000 bytes, then unexpected EOF
fastcdc: 300000 bytes, then EOF
another error:
fastcdc: 0 bytes, then disk gone
SEEN
