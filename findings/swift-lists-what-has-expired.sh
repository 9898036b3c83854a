#!/usr/bin/env bash
# An expired object is 404 for GET, HEAD and DELETE, and the container's list still names it.
#
# Expected: an object whose X-Delete-At has passed is gone, or it is there; a list and a HEAD agree. Instead: the object
# server hides it at once, and the list goes on naming it, and counting its bytes, until the expirer has come by (a
# process of its own, which many small installations do not run). And a copy takes the date along: the copy vanishes at
# the same time, without having been asked to.
# Versions: OpenStack Swift 2.30.0, github.com/gophercloud/gophercloud/v2 v2.15.0.
# For a host: whoever compares lists with metadata takes such an object for content that is there. Look at each object
# (HEAD), and copy with X-Fresh-Metadata.
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
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

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
	must(objects.Create(ctx, client, "uploads", "temporary", objects.CreateOpts{Content: strings.NewReader("content"), DeleteAfter: 2}).Err)
	must(objects.Copy(ctx, client, "uploads", "temporary", objects.CopyOpts{Destination: "/uploads/copy"}).Err)
	status := func(err error) int {
		var unexpected gophercloud.ErrUnexpectedResponseCode
		if errors.As(err, &unexpected) {
			return unexpected.Actual
		}
		must(err)
		return 200
	}
	show := func(what string) {
		fmt.Println(what)
		for _, name := range []string{"temporary", "copy"} {
			fmt.Printf("  HEAD %s: %d\n", name, status(objects.Get(ctx, client, "uploads", name, nil).Err))
		}
		pages, err := objects.List(client, "uploads", nil).AllPages(ctx)
		must(err)
		names, err := objects.ExtractNames(pages)
		must(err)
		fmt.Println("  list:", names)
	}
	show("at first:")
	for i := 0; i < 100; i++ {
		time.Sleep(100 * time.Millisecond)
		if status(objects.Get(ctx, client, "uploads", "temporary", nil).Err)+status(objects.Get(ctx, client, "uploads", "copy", nil).Err) == 808 {
			break
		}
	}
	show("after the time:")
	fmt.Println("  DELETE temporary:", status(objects.Delete(ctx, client, "uploads", "temporary", nil).Err))
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
at first:
  HEAD temporary: 200
  HEAD copy: 200
  list: [copy temporary]
after the time:
  HEAD temporary: 404
  HEAD copy: 404
  list: [copy temporary]
  DELETE temporary: 404
SEEN
