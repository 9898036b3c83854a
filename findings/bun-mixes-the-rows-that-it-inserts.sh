#!/usr/bin/env bash
# After an insert of three rows with RETURNING, the caller's list holds two: each with the id of one and the name of
# another.
#
# Expected: RETURNING fills in what the database made (an id, a default), and the list that was inserted stays as it is
# otherwise. Instead: with ON CONFLICT DO NOTHING PostgreSQL returns the inserted rows alone, and bun scans them into
# the list from its beginning: the first returned row goes over the first item, whatever its key. What is not returned
# (here the name) stays from the item that stood there, and the list is cut to the number of returned rows.
# Versions: github.com/uptrace/bun v1.3.0 (pgdialect, pgdriver v1.2.18), PostgreSQL 15.18.
# For a host: code that goes on with the list after saving answers, or saves again, a name under another item's id.
# Return into a list of its own (Exec(ctx, &returned)).
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

type Item struct {
	ID      int64 `bun:",pk"`
	Name    string
	Created time.Time `bun:",nullzero,default:now()"`
}

func main() {
	ctx := context.Background()
	db := open()
	_, err := db.NewCreateTable().Model((*Item)(nil)).Exec(ctx)
	must(err)
	_, err = db.NewInsert().Model(&Item{ID: 1, Name: "first"}).Exec(ctx)
	must(err)
	items := []Item{{ID: 1, Name: "first"}, {ID: 2, Name: "second"}, {ID: 3, Name: "third"}}
	_, err = db.NewInsert().Model(&items).On("CONFLICT DO NOTHING").Returning("id, created").Exec(ctx)
	fmt.Println("insert:", err)
	for i, item := range items {
		fmt.Printf("items[%d]: id %d, name %q, created is zero: %v\n", i, item.ID, item.Name, item.Created.IsZero())
	}
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
insert: <nil>
items[0]: id 2, name "first", created is zero: false
items[1]: id 3, name "second", created is zero: false
SEEN
