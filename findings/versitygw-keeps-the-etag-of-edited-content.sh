#!/usr/bin/env bash
# A file in the gateway's folder is edited by another program: S3 shows the new size with the old ETag.
#
# Expected: a gateway that serves a folder of files computes an ETag from what is there, or has none. Instead: the ETag
# is kept in an extended attribute from the last upload. After an edit in place it is that of the old content, so a
# conditional GET says 304 for content that changed; a file that came from elsewhere has an empty ETag.
# Version: versitygw v1.8.0 (posix).
# For a host: a folder that is both shared (NFS, a user's login) and served by S3 is never seen to change by clients
# that compare ETags. Replace files by rename: the new inode has no old attribute.
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
	client := connect("files")
	_, err := client.PutObject(ctx, "files", "note", strings.NewReader("old"), 3, minio.PutObjectOptions{})
	must(err)
	show := func(what, key string) (etag string) {
		info, err := client.StatObject(ctx, "files", key, minio.StatObjectOptions{})
		must(err)
		fmt.Printf("%s: size %d, ETag %q\n", what, info.Size, info.ETag)
		return info.ETag
	}
	etag := show("uploaded", "note")
	must(os.WriteFile("data/files/note", []byte("edited in place"), 0o600))
	show("edited in place", "note")
	opts := minio.GetObjectOptions{}
	must(opts.SetMatchETagExcept(etag))
	_, err = client.StatObject(ctx, "files", "note", opts)
	fmt.Println("If-None-Match of the first ETag:", err)
	must(os.WriteFile("data/files/.new", []byte("replaced by rename"), 0o600))
	must(os.Rename("data/files/.new", "data/files/note"))
	show("replaced by rename", "note")
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
uploaded: size 3, ETag "149603e6c03516362a8da23f624db945"
edited in place: size 15, ETag "149603e6c03516362a8da23f624db945"
If-None-Match of the first ETag: 304 Not Modified
replaced by rename: size 18, ETag ""
SEEN
