#!/usr/bin/env bash
# The same bytes, compressed at the same level by the same encoder type, give two different outputs of the same length.
#
# Expected: EncodeAll and Write+Close of one library at one level give the same bytes; gzip of the same module does,
# however the input is split into writes. Instead: EncodeAll knows the size and writes another frame header.
# Here both headers happen to be equally long, so not even the size shows it.
# Version: github.com/klauspost/compress v1.19.2.
# For a host: chunks that are named by the hash of their compressed form are stored twice, and a client that streams
# never agrees with one that does not. Name chunks by the hash of the plain content.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/klauspost/compress@v1.19.2
cat >main.go <<'EOF'
package main

import (
	"bytes"
	"fmt"
	"log"
	"math/rand"

	"github.com/klauspost/compress/zstd"
)

func stream(data []byte, part int) []byte {
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out)
	if err != nil {
		log.Fatal(err)
	}
	for len(data) > 0 {
		n := min(part, len(data))
		if _, err := w.Write(data[:n]); err != nil {
			log.Fatal(err)
		}
		data = data[n:]
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	return out.Bytes()
}

func main() {
	data := make([]byte, 5<<20)
	random := rand.New(rand.NewSource(1))
	for i := range data {
		data[i] = "etaoin shrdlu"[random.Intn(13)]
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		log.Fatal(err)
	}
	all, large, small := encoder.EncodeAll(data, nil), stream(data, len(data)), stream(data, 1000)
	fmt.Println("one write = many writes:", bytes.Equal(large, small))
	fmt.Println("EncodeAll = Write and Close:", bytes.Equal(all, large))
	fmt.Println("same length:", len(all) == len(large))
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
one write = many writes: true
EncodeAll = Write and Close: false
same length: true
SEEN
