#!/usr/bin/env bash
# A file that grew while it was uploaded is cut without an error; the same bytes as a stream are refused.
#
# Expected: a reader with more bytes than the announced size is one thing or the other for every reader: an error, or
# a cut. Instead: PutObject wraps what is an io.ReaderAt (os.File) in a section of the announced size: 5 of 8 bytes are saved with
# a nil error. Any other reader goes to net/http, which refuses it.
# Versions: github.com/minio/minio-go/v7 v7.4.1, versitygw v1.8.0.
# For a host: a log file that grows is saved as the beginning that Stat saw, with an ETag that fits nothing on the disk. Compare size and
# time after the upload, and hash what was sent.
set -euo pipefail
dir=$(mktemp -d)
gateway=
trap '[[ -z $gateway ]] || kill "$gateway" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
GOBIN=$dir go install -ldflags='-s -w' github.com/versity/versitygw/cmd/versitygw@v1.8.0
mkdir data iam
for _ in {1..5}; do
	port=$((20000 + RANDOM % 12000))
	ROOT_ACCESS_KEY=operator ROOT_SECRET_KEY=operator-secret ./versitygw --port "127.0.0.1:$port" --health /health --iam-dir "$dir/iam" posix "$dir/data" >gateway.log 2>&1 &
	gateway=$!
	for _ in {1..100}; do
		kill -0 "$gateway" 2>/dev/null || continue 2
		curl -sf "http://127.0.0.1:$port/health" >/dev/null && break 2
		sleep 0.1
	done
done
curl -sf "http://127.0.0.1:$port/health" >/dev/null || { cat gateway.log >&2; exit 1; }
export ENDPOINT=127.0.0.1:$port
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/minio/minio-go/v7@v7.4.1
cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func connect(bucket string) *minio.Client {
	client, err := minio.New(os.Getenv("ENDPOINT"), &minio.Options{Creds: credentials.NewStaticV4("operator", "operator-secret", "")})
	must(err)
	must(client.MakeBucket(context.Background(), bucket, minio.MakeBucketOptions{}))
	return client
}

func main() {
	client := connect("uploads")
	must(os.WriteFile("log", []byte("12345"), 0o600))
	for _, name := range []string{"file", "stream"} {
		f, err := os.OpenFile("log", os.O_RDWR, 0)
		must(err)
		must(f.Truncate(5))
		info, err := f.Stat()
		must(err)
		_, err = f.WriteAt([]byte("678"), 5)
		must(err)
		var r io.Reader = f
		if name == "stream" {
			r = io.MultiReader(f)
		}
		_, err = client.PutObject(context.Background(), "uploads", name, r, info.Size(), minio.PutObjectOptions{})
		if err != nil {
			text := err.Error()
			fmt.Printf("%s: error: %s\n", name, text[max(0, strings.LastIndex(text, "http:")):])
			continue
		}
		saved, err := client.StatObject(context.Background(), "uploads", name, minio.StatObjectOptions{})
		must(err)
		info, err = f.Stat()
		must(err)
		fmt.Printf("%s: nil error, %d bytes saved of %d\n", name, saved.Size, info.Size())
	}
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
file: nil error, 5 bytes saved of 8
stream: error: http: ContentLength=5 with Body length 8
SEEN
