#!/usr/bin/env bash
# A listing that ran out of time looks like a complete one.
#
# Expected: when the context of a listing ends, the last entry carries the error, as it does on ListObjects' channel.
# Instead: ListObjectsIter looks at the context before each page and just returns: with an ended context there is no
# entry at all, and one that ends between pages leaves the rest out. No Err is ever set.
# Versions: github.com/minio/minio-go/v7 v7.4.1, versitygw v1.8.0.
# For a host: whoever compares such a listing with the metadata takes the rest for lost, or, the other way round, a
# mirror deletes it. Look at ctx.Err() after the loop, always.
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
	"errors"
	"fmt"
	"iter"
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
	client := connect("chunks")
	for i := range 30 {
		_, err := client.PutObject(context.Background(), "chunks", fmt.Sprint("chunk-", i), strings.NewReader("x"), 1, minio.PutObjectOptions{})
		must(err)
	}
	opts := minio.ListObjectsOptions{Recursive: true, MaxKeys: 10}
	lists := []struct {
		name string
		list func(context.Context) iter.Seq[minio.ObjectInfo]
	}{
		{"ListObjects", func(ctx context.Context) iter.Seq[minio.ObjectInfo] {
			return func(yield func(minio.ObjectInfo) bool) {
				for o := range client.ListObjects(ctx, "chunks", opts) {
					if !yield(o) {
						return
					}
				}
			}
		}},
		{"ListObjectsIter", func(ctx context.Context) iter.Seq[minio.ObjectInfo] { return client.ListObjectsIter(ctx, "chunks", opts) }},
	}
	for _, l := range lists {
		// The context ends at the entry with this number; 0: before the call.
		for _, end := range []int{0, 10, 100} {
			ctx, cancel := context.WithCancel(context.Background())
			if end == 0 {
				cancel()
			}
			objects, last := 0, error(nil)
			for o := range l.list(ctx) {
				if last = o.Err; last != nil {
					if errors.Is(last, context.Canceled) {
						last = context.Canceled
					}
					break
				}
				if objects++; objects == end {
					cancel()
				}
			}
			cancel()
			// How many more entries ListObjects' channel hands out after the end depends on chance.
			seen := fmt.Sprint(objects, " of 30 objects")
			if l.name == "ListObjects" && end == 10 {
				seen = fmt.Sprint("less than 30 objects: ", objects < 30)
			}
			fmt.Printf("%s, context ended at %d: %s, error: %v\n", l.name, end, seen, last)
		}
	}
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
ListObjects, context ended at 0: 0 of 30 objects, error: context canceled
ListObjects, context ended at 10: less than 30 objects: true, error: context canceled
ListObjects, context ended at 100: 30 of 30 objects, error: <nil>
ListObjectsIter, context ended at 0: 0 of 30 objects, error: <nil>
ListObjectsIter, context ended at 10: 10 of 30 objects, error: <nil>
ListObjectsIter, context ended at 100: 30 of 30 objects, error: <nil>
SEEN
