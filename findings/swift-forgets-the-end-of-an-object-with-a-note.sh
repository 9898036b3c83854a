#!/usr/bin/env bash
# Setting one piece of metadata makes an object that was to expire stay for ever, and takes its encoding away.
#
# Expected: a POST with X-Object-Meta-Note sets that note; at most it replaces the other X-Object-Meta entries, as the
# manual says. Instead: what the POST does not repeat is gone too: X-Delete-At, Content-Encoding, Content-Disposition,
# Cache-Control. Only Content-Type stays. (A container's POST keeps what it does not name.)
# Versions: OpenStack Swift 2.30.0, github.com/gophercloud/gophercloud/v2 v2.15.0.
# For a host: marking temporary uploads keeps them for ever, and content that was saved compressed is handed out without
# the header that says so. HEAD first, and send all of it again.
set -euo pipefail
dir=$(mktemp -d)
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$dir"' EXIT
for package in swift-proxy swift-account swift-container swift-object memcached; do
	dpkg -s "$package" >/dev/null 2>&1 || DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "$package" >&2
done
# One server of each kind, with built-in users, in the temporary folder; Swift wants the file system to have user xattrs.
mkdir -p "$dir/conf" "$dir/data/sdb1" "$dir/cache"
cd "$dir/conf"
base=$((20000 + RANDOM % 12000))
memcached -u nobody -l 127.0.0.1 -p $((base + 4)) &
pids+=($!)
n=0
for kind in account container object; do
	n=$((n + 1))
	{
		swift-ring-builder $kind.builder create 4 1 0
		swift-ring-builder $kind.builder add --region 1 --zone 1 --ip 127.0.0.1 --port $((base + n)) --device sdb1 --weight 1
		swift-ring-builder $kind.builder rebalance
	} >/dev/null
	cat >$kind.conf <<-EOF
		[DEFAULT]
		bind_ip = 127.0.0.1
		bind_port = $((base + n))
		workers = 0
		user = $(id -un)
		swift_dir = $dir/conf
		devices = $dir/data
		mount_check = false
		disable_fallocate = true
		recon_cache_path = $dir/cache
		[pipeline:main]
		pipeline = $kind-server
		[app:$kind-server]
		use = egg:swift#$kind
	EOF
	swift-$kind-server $kind.conf >$kind.log 2>&1 &
	pids+=($!)
done
filters='catch_errors gatekeeper healthcheck proxy-logging cache listing_formats bulk tempurl tempauth copy slo dlo'
{
	cat <<-EOF
		[DEFAULT]
		bind_ip = 127.0.0.1
		bind_port = $base
		workers = 0
		user = $(id -un)
		swift_dir = $dir/conf
		[pipeline:main]
		pipeline = $filters proxy-logging proxy-server
		[app:proxy-server]
		use = egg:swift#proxy
		account_autocreate = true
		[filter:cache]
		use = egg:swift#memcache
		memcache_servers = 127.0.0.1:$((base + 4))
		[filter:tempauth]
		use = egg:swift#tempauth
		user_host_operator = secret .admin
		[filter:proxy-logging]
		use = egg:swift#proxy_logging
	EOF
	for filter in catch_errors gatekeeper healthcheck listing_formats bulk tempurl copy slo dlo; do
		printf '[filter:%s]\nuse = egg:swift#%s\n' $filter $filter
	done
} >proxy.conf
swift-proxy-server proxy.conf >proxy.log 2>&1 &
pids+=($!)
for _ in {1..200}; do curl -sf "http://127.0.0.1:$base/healthcheck" >/dev/null && break || sleep 0.1; done
cd "$dir"
export AUTH_URL=http://127.0.0.1:$base/auth/v1.0
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/gophercloud/gophercloud/v2@v2.15.0
cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/objectstorage/v1/containers"
	"github.com/gophercloud/gophercloud/v2/openstack/objectstorage/v1/objects"
	"github.com/gophercloud/gophercloud/v2/openstack/objectstorage/v1/swauth"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func connect(ctx context.Context, container string) *gophercloud.ServiceClient {
	provider, err := openstack.NewClient(os.Getenv("AUTH_URL"))
	must(err)
	client, err := swauth.NewObjectStorageV1(ctx, provider, swauth.AuthOpts{User: "host:operator", Key: "secret"})
	must(err)
	must(containers.Create(ctx, client, container, nil).Err)
	return client
}

func main() {
	ctx := context.Background()
	client := connect(ctx, "uploads")
	must(objects.Create(ctx, client, "uploads", "file", objects.CreateOpts{
		Content: strings.NewReader("content"), ContentType: "text/plain", ContentEncoding: "gzip", ContentDisposition: "attachment",
		CacheControl: "no-store", DeleteAfter: 3600, Metadata: map[string]string{"Owner": "ann"},
	}).Err)
	show := func(what string) {
		header, err := objects.Get(ctx, client, "uploads", "file", nil).Header, error(nil)
		must(err)
		fmt.Println(what)
		for _, name := range []string{"X-Delete-At", "Content-Encoding", "Content-Disposition", "Cache-Control", "Content-Type", "X-Object-Meta-Owner", "X-Object-Meta-Note"} {
			fmt.Printf("  %s: %v\n", name, header.Get(name) != "")
		}
	}
	show("saved:")
	must(objects.Update(ctx, client, "uploads", "file", objects.UpdateOpts{Metadata: map[string]string{"Note": "seen"}}).Err)
	show("after a POST of a note:")
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
saved:
  X-Delete-At: true
  Content-Encoding: true
  Content-Disposition: true
  Cache-Control: true
  Content-Type: true
  X-Object-Meta-Owner: true
  X-Object-Meta-Note: false
after a POST of a note:
  X-Delete-At: false
  Content-Encoding: false
  Content-Disposition: false
  Cache-Control: false
  Content-Type: true
  X-Object-Meta-Owner: false
  X-Object-Meta-Note: true
SEEN
