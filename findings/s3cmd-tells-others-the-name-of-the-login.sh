#!/usr/bin/env bash
# Each object that s3cmd uploads carries the uploader's login name, group, user id and the file's access time.
#
# Expected: an upload brings content, type and perhaps the modification time. Instead: `s3cmd put` and `sync` preserve
# file attributes by default, in the object's own metadata (x-amz-meta-s3cmd-attrs), which each reader of the object and
# each holder of a link to it sees in the answer's headers. (--no-preserve leaves them out.)
# Versions: s3cmd 2.3.0, versitygw v1.8.0.
# For a host: what a person uploads to a shared folder, or publishes by a link, names the account on the machine at
# home. Do not hand out others' metadata as they came.
set -euo pipefail
dir=$(mktemp -d)
gateway=
trap '[[ -z $gateway ]] || kill "$gateway" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
command -v s3cmd >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends s3cmd >&2
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
s3() {
	s3cmd --config=/dev/null --access_key=operator --secret_key=operator-secret --no-ssl \
		--host="127.0.0.1:$port" --host-bucket="127.0.0.1:$port" "$@"
}
printf 'content' >note.txt
touch -d '2026-01-02 03:04:05 UTC' note.txt
s3 mb s3://files >&2
s3 put note.txt s3://files/plain >&2
s3 put --no-preserve note.txt s3://files/without >&2
show() {
	local attributes
	attributes=$(curl -sf -D - -o /dev/null --user operator:operator-secret --aws-sigv4 aws:amz:us-east-1:s3 \
		-H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "http://127.0.0.1:$port/files/$1" | tr -d '\r' | { grep -i '^x-amz-meta-s3cmd-attrs:' || true; })
	printf '%s: login name: %s, group: %s, access time: %s\n' "$1" \
		"$(grep -c "/uname:$(id -un)$" <<<"$attributes")" "$(grep -c "/gname:$(id -gn)/" <<<"$attributes")" "$(grep -c 'atime:[0-9]' <<<"$attributes")"
}
out=$(show plain; show without)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
plain: login name: 1, group: 1, access time: 1
without: login name: 0, group: 0, access time: 0
SEEN
