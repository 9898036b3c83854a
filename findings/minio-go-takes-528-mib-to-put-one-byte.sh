#!/usr/bin/env bash
# An upload of one byte allocates 528 MiB, if its size was not announced.
#
# Expected: PutObject with size -1 ("unknown") buffers one part of the usual 16 MiB, or less where the stream ends before.
# Instead: so that 5 TiB fit into 10,000 parts, the part is 528 MiB, and the whole buffer is allocated before the first
# byte is read. With the size, or with PartSize, it is almost nothing.
# Versions: github.com/minio/minio-go/v7 v7.4.1, versitygw v1.8.0.
# For a host: eight people who upload through the host without Content-Length take 4 GiB. Set PartSize (16 MiB lets
# 156 GiB through), or refuse uploads without a length.
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
	"runtime"
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
	for _, c := range []struct {
		name     string
		size     int64
		partSize uint64
	}{{"size known", 1, 0}, {"size unknown", -1, 0}, {"size unknown, PartSize 16 MiB", -1, 16 << 20}} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := client.PutObject(context.Background(), "uploads", "file", io.MultiReader(strings.NewReader("x")), c.size,
			minio.PutObjectOptions{PartSize: c.partSize})
		must(err)
		runtime.ReadMemStats(&after)
		fmt.Printf("%s: %d MiB allocated for 1 byte\n", c.name, (after.TotalAlloc-before.TotalAlloc)>>20)
	}
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
size known: 0 MiB allocated for 1 byte
size unknown: 528 MiB allocated for 1 byte
size unknown, PartSize 16 MiB: 16 MiB allocated for 1 byte
SEEN
