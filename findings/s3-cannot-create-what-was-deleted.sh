#!/usr/bin/env bash
# In a versioned bucket "create if it is not there" fails for ever once the object was deleted, while HEAD says 404.
#
# Expected: `If-None-Match: *` asks for the current object, so where HEAD is 404 the PUT goes through; without versions
# it does. Instead: versitygw counts the delete marker as an object, and answers 412.
# Versions: versitygw v1.8.0 (posix, with a versioning folder), github.com/minio/minio-go/v7 v7.4.1.
# For a host: an immutable chunk that was collected and comes back cannot be uploaded; a client that takes 412 for
# "it is there already" commits a file without content. Leave versioning off, or look after a 412.
set -euo pipefail
dir=$(mktemp -d)
gateway=
trap '[[ -z $gateway ]] || kill "$gateway" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
GOBIN=$dir go install -ldflags='-s -w' github.com/versity/versitygw/cmd/versitygw@v1.8.0
mkdir data iam versions
for _ in {1..5}; do
	port=$((20000 + RANDOM % 12000))
	ROOT_ACCESS_KEY=operator ROOT_SECRET_KEY=operator-secret ./versitygw --port "127.0.0.1:$port" --health /health --iam-dir "$dir/iam" posix --versioning-dir "$dir/versions" "$dir/data" >gateway.log 2>&1 &
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
	ctx := context.Background()
	client := connect("chunks")
	create := func(what string) {
		opts := minio.PutObjectOptions{}
		opts.SetMatchETagExcept("*")
		_, err := client.PutObject(ctx, "chunks", "chunk", strings.NewReader("x"), 1, opts)
		fmt.Printf("%s: %v\n", what, minio.ToErrorResponse(err).StatusCode)
	}
	_, err := client.StatObject(ctx, "chunks", "chunk", minio.StatObjectOptions{})
	fmt.Println("HEAD:", minio.ToErrorResponse(err).StatusCode)
	create("create (0: done)")
	must(client.RemoveObject(ctx, "chunks", "chunk", minio.RemoveObjectOptions{}))
	create("without versions, deleted, created (0: done)")
	must(client.EnableVersioning(ctx, "chunks"))
	must(client.RemoveObject(ctx, "chunks", "chunk", minio.RemoveObjectOptions{}))
	_, err = client.StatObject(ctx, "chunks", "chunk", minio.StatObjectOptions{})
	fmt.Println("with versions, deleted: HEAD:", minio.ToErrorResponse(err).StatusCode)
	create("created")
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
HEAD: 404
create (0: done): 0
without versions, deleted, created (0: done): 0
with versions, deleted: HEAD: 404
created: 412
SEEN
