#!/usr/bin/env bash
# A compressed chunk that was cut to 0 bytes decodes to an empty file without an error.
#
# Expected: 0 bytes are no zstd frame, so decoding fails. The zstd program says "unexpected end of file", Go's gzip
# reader says EOF at once, and an empty file compresses to 9 bytes or more. Instead: DecodeAll of nothing is nothing
# with a nil error, and a Reader over nothing reads cleanly to its end.
# Versions: github.com/klauspost/compress v1.19.2, zstd 1.5.4.
# For a host: a disk that ran full, or a crash before the data was on the disk, leaves files of 0 bytes; a reader that
# relies on the format's own checks serves them as valid empty files. Compare with the recorded size or hash.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
if ! command -v zstd >/dev/null; then
	apt-get download zstd >&2
	dpkg -x zstd_*.deb deb
	PATH=$dir/deb/usr/bin:$PATH
fi
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/klauspost/compress@v1.19.2
cat >main.go <<'EOF'
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func main() {
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("an empty file, compressed:", len(encoder.EncodeAll(nil, nil)), "bytes")

	decoder, err := zstd.NewReader(nil)
	if err != nil {
		log.Fatal(err)
	}
	out, err := decoder.DecodeAll([]byte{}, nil)
	fmt.Println("zstd DecodeAll of 0 bytes:", len(out), err)

	reader, err := zstd.NewReader(bytes.NewReader(nil))
	if err != nil {
		log.Fatal(err)
	}
	out, err = io.ReadAll(reader)
	fmt.Println("zstd Reader of 0 bytes:", len(out), err)

	_, err = gzip.NewReader(bytes.NewReader(nil))
	fmt.Println("gzip Reader of 0 bytes:", err)
}
EOF
out=$(go run .)
program=$(zstd -q -d -c </dev/null 2>&1) && program="no error"
out+=$'\n'"the zstd program: ${program##*: }"
printf '%s\n' "$out"
diff <(printf '%s\n' "$out" | sed 's/ *$//') - <<'SEEN'
an empty file, compressed: 9 bytes
zstd DecodeAll of 0 bytes: 0 <nil>
zstd Reader of 0 bytes: 0 <nil>
gzip Reader of 0 bytes: EOF
the zstd program: unexpected end of file
SEEN
