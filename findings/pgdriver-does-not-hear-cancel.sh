#!/usr/bin/env bash
# A statement whose context is cancelled goes on, is saved, and returns nil.
#
# Expected: cancel() ends a statement that is under way, with context.Canceled, as in the other Go drivers for
# PostgreSQL. Instead: pgdriver turns a context's deadline into a time-out of the socket and looks at nothing else.
# After a cancel the call waits for the end and reports success. A deadline does cut the call off, but the server is not
# told: it goes on and saves what the caller takes for failed.
# Versions: github.com/uptrace/bun v1.3.0 (pgdialect, pgdriver v1.2.18), PostgreSQL 15.18.
# For a host: a request that its client has left goes on holding its connection and its locks (set statement_timeout), and
# after a time-out the outcome is open: the caller has to look before it tries again.
set -euo pipefail
dir=$(mktemp -d)
bin=$(find /usr/lib/postgresql/*/bin -name initdb -printf '%h\n' 2>/dev/null | sort -V | tail -n 1)
if [[ -z $bin ]]; then
	DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends postgresql >&2
	bin=$(find /usr/lib/postgresql/*/bin -name initdb -printf '%h\n' | sort -V | tail -n 1)
fi
# PostgreSQL does not run as root.
as_postgres() { if ((EUID == 0)); then runuser -u postgres -- "$@"; else "$@"; fi; }
trap '(cd / && as_postgres "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1) || true; rm -rf "$dir"' EXIT
mkdir "$dir/data"
chmod 711 "$dir"
((EUID != 0)) || chown postgres "$dir/data"
cd "$dir/data"
as_postgres "$bin/initdb" -D "$dir/data" -A trust -U postgres --no-sync -E UTF8 --locale=C.UTF-8 >/dev/null
for _ in {1..5}; do
	port=$((20000 + RANDOM % 12000))
	as_postgres "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/data/log" \
		-o "-c listen_addresses=127.0.0.1 -p $port -k $dir/data -c fsync=off" start >/dev/null && break
done
cd "$dir"
export DSN="postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/uptrace/bun@v1.3.0 github.com/uptrace/bun/dialect/pgdialect@v1.3.0 github.com/uptrace/bun/driver/pgdriver@v1.2.18
cat >main.go <<'EOF'
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func open() *bun.DB {
	return bun.NewDB(sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(os.Getenv("DSN")))), pgdialect.New())
}

func main() {
	db := open()
	_, err := db.Exec("CREATE TABLE items (name text)")
	must(err)
	saved := func(name string) (n int) {
		must(db.QueryRow("SELECT count(*) FROM items WHERE name = ?", name).Scan(&n))
		return n
	}

	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, cancel)
	_, err = db.ExecContext(ctx, "INSERT INTO items SELECT 'cancelled' FROM pg_sleep(1)")
	fmt.Println("cancelled:", err, "- the context says:", ctx.Err(), "- rows:", saved("cancelled"))

	ctx, cancel = context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err = db.ExecContext(ctx, "INSERT INTO items SELECT 'deadline' FROM pg_sleep(1)")
	fmt.Println("deadline: a time-out:", os.IsTimeout(err), "- rows:", saved("deadline"))
	for i := 0; i < 100 && saved("deadline") == 0; i++ {
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Println("later: rows:", saved("deadline"))
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
cancelled: <nil> - the context says: context canceled - rows: 1
deadline: a time-out: true - rows: 0
later: rows: 1
SEEN
