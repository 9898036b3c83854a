#!/usr/bin/env bash
# A queue that may hold 4 GiB holds nothing, since its limit was a plain int.
#
# Expected: a Go int in a table (headers, or a queue's arguments) arrives with its value: it has 64 bits, AMQP has a type
# for that, and values the library cannot carry (uint, uint64) are an error. Instead: int is sent as 32 bits, and the
# upper half is dropped without an error: a size of 5,000,000,000 arrives as 705,032,704, and
# "x-max-length-bytes": 4 << 30 is 0: the broker confirms each message and keeps none.
# Versions: github.com/rabbitmq/amqp091-go v1.16.0, RabbitMQ 3.10.8.
# For a host: write int64(...) in every table; file sizes and byte limits are just what does not fit.
set -euo pipefail
dir=$(mktemp -d)
broker=
export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$((20000 + RANDOM % 12000))
stop() {
	if [[ -n $broker ]]; then
		kill "$broker" 2>/dev/null || true
		wait "$broker" 2>/dev/null || true
		epmd -kill >/dev/null 2>&1 || true
	fi
	rm -rf "$dir"
}
trap stop EXIT
cd "$dir"
if [[ ! -x /usr/lib/rabbitmq/bin/rabbitmq-server ]]; then
	DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends rabbitmq-server >&2
fi
port=$((ERL_EPMD_PORT + 1))
printf 'listeners.tcp.1 = 127.0.0.1:%s\nlog.console = true\nlog.file = false\n' "$port" >rabbitmq.conf
echo '[].' >plugins
HOME=$dir RABBITMQ_NODENAME=finding$port@localhost RABBITMQ_CONFIG_FILE=$dir/rabbitmq RABBITMQ_MNESIA_BASE=$dir/mnesia \
	RABBITMQ_LOG_BASE=$dir/log RABBITMQ_ENABLED_PLUGINS_FILE=$dir/plugins RABBITMQ_DIST_PORT=$((port + 1)) \
	RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
	/usr/lib/rabbitmq/bin/rabbitmq-server >broker.log 2>&1 &
broker=$!
for _ in {1..300}; do
	kill -0 "$broker" 2>/dev/null || break
	(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
	sleep 0.2
done
export AMQP_URL=amqp://guest:guest@127.0.0.1:$port/
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/rabbitmq/amqp091-go@v1.16.0
cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := amqp.Dial(os.Getenv("AMQP_URL"))
	must(err)
	defer conn.Close()
	ch, err := conn.Channel()
	must(err)
	must(ch.Confirm(false))
	publish := func(queue string, headers amqp.Table) {
		confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, false, false, amqp.Publishing{Headers: headers, Body: []byte("x")})
		if err != nil {
			fmt.Printf("size %T: %v\n", headers["size"], err)
			return
		}
		acked, err := confirm.WaitContext(ctx)
		must(err)
		m, there, err := ch.Get(queue, true)
		must(err)
		fmt.Printf("confirmed: %v, kept: %v, size %T %v arrives as %T %v\n", acked, there, headers["size"], headers["size"], m.Headers["size"], m.Headers["size"])
	}
	_, err = ch.QueueDeclare("plain", false, true, true, false, nil)
	must(err)
	publish("plain", amqp.Table{"size": int64(5_000_000_000)})
	publish("plain", amqp.Table{"size": 5_000_000_000})
	publish("plain", amqp.Table{"size": uint64(5_000_000_000)})
	for _, limit := range []any{int64(4 << 30), 4 << 30} {
		queue := fmt.Sprintf("limit-%T", limit)
		_, err := ch.QueueDeclare(queue, false, true, true, false, amqp.Table{"x-max-length-bytes": limit})
		must(err)
		fmt.Printf("a queue with x-max-length-bytes %T %v:\n", limit, limit)
		publish(queue, nil)
	}
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
confirmed: true, kept: true, size int64 5000000000 arrives as int64 5000000000
confirmed: true, kept: true, size int 5000000000 arrives as int32 705032704
size uint64: table field "size" value uint64 not supported
a queue with x-max-length-bytes int64 4294967296:
confirmed: true, kept: true, size <nil> <nil> arrives as <nil> <nil>
a queue with x-max-length-bytes int 4294967296:
confirmed: true, kept: false, size <nil> <nil> arrives as <nil> <nil>
SEEN
