#!/usr/bin/env bash
# A publish to an exchange that does not exist: nil from Publish, nil from the confirmation.
#
# Expected: with confirms on, a message that the broker cannot even route to an exchange ends in an error, from the
# publish or from the wait. Instead: Publish only writes, so it is nil; the broker then closes the channel (404), and
# WaitContext returns false with a nil error, just as for a message that the broker refused. The reason is only
# on NotifyClose; the next publish says that the channel is closed, without saying why.
# Versions: github.com/rabbitmq/amqp091-go v1.16.0, RabbitMQ 3.10.8.
# For a host: code that looks at the error alone takes a lost message for sent. Look at the bool, and log NotifyClose.
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
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	publish := func() (*amqp.DeferredConfirmation, error) {
		return ch.PublishWithDeferredConfirmWithContext(ctx, "hints", "key", true, false, amqp.Publishing{Body: []byte("x")})
	}
	confirm, err := publish()
	fmt.Println("publish:", err)
	acked, err := confirm.WaitContext(ctx)
	fmt.Println("confirmed:", acked, err)
	fmt.Println("NotifyClose:", <-closed)
	_, err = publish()
	fmt.Println("next publish:", err)
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
publish: <nil>
confirmed: false <nil>
NotifyClose: Exception (404) Reason: "NOT_FOUND - no exchange 'hints' in vhost '/'"
next publish: Exception (504) Reason: "channel/connection is not open"
SEEN
