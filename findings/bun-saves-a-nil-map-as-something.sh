#!/usr/bin/env bash
# A nil map passes a NOT NULL column, and "WHERE attrs IS NULL" does not find it.
#
# Expected: nil is NULL in the database, as it is for a nil slice of bytes, a nil pointer and bun's own arrays. Instead:
# a nil map or slice in a json column is written as the JSON value null, which is a value for SQL: NOT NULL takes it,
# IS NULL is false, COALESCE does not replace it, and || (adding a key) makes an array of it.
# Versions: github.com/uptrace/bun v1.3.0 (pgdialect, pgdriver v1.2.18), PostgreSQL 15.18.
# For a host: "attrs = attrs || '{...}'" on such a row leaves [null, {...}], which no longer scans into a map. Use the tag
# nullzero, or save an empty map.
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
	ID      int64             `bun:",pk"`
	Attrs   map[string]string `bun:"type:jsonb,notnull"`
	Tagged  map[string]string `bun:"type:jsonb,nullzero"`
	Labels  []string          `bun:",array"`
	Content []byte
}

func main() {
	ctx := context.Background()
	db := open()
	_, err := db.NewCreateTable().Model((*Item)(nil)).Exec(ctx)
	must(err)
	_, err = db.NewInsert().Model(&Item{ID: 1}).Exec(ctx)
	fmt.Println("insert of nil into NOT NULL:", err)
	var attrs, tagged, labels, content bool
	must(db.QueryRow("SELECT attrs IS NULL, tagged IS NULL, labels IS NULL, content IS NULL FROM items").Scan(&attrs, &tagged, &labels, &content))
	fmt.Println("IS NULL: map:", attrs, "map with nullzero:", tagged, "array:", labels, "bytes:", content)
	var text string
	must(db.QueryRow(`UPDATE items SET attrs = attrs || '{"color": "red"}' RETURNING attrs::text`).Scan(&text))
	fmt.Println("a key is added:", text)
	err = db.NewSelect().Model(&Item{}).Column("attrs").Where("id = 1").Scan(ctx)
	fmt.Println("read:", err)
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
insert of nil into NOT NULL: <nil>
IS NULL: map: false map with nullzero: true array: true bytes: true
a key is added: [null, {"color": "red"}]
read: sql: Scan error on column index 0, name "attrs": json: cannot unmarshal array into Go value of type map[string]string
SEEN
