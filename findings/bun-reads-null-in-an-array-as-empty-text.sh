#!/usr/bin/env bash
# An array {a,NULL,b} is read as ["a" "" "b"], into pointers too, and the next update saves it so.
#
# Expected: NULL in a text array is nil in []*string, and an error in []string, as database/sql has it for a single
# NULL and a string. Instead: both get an empty text, without an error; reading a row and saving it again changes it.
# Versions: github.com/uptrace/bun v1.3.0 (pgdialect, pgdriver v1.2.18), PostgreSQL 15.18.
# For a host: rows that other programs write too lose the difference between "no value" and "empty". Keep NULL out with
# a CHECK (array_position(tags, NULL) IS NULL).
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
	ID       int64     `bun:",pk"`
	Tags     []string  `bun:",array"`
	Pointers []*string `bun:",array"`
}

func main() {
	ctx := context.Background()
	db := open()
	_, err := db.NewCreateTable().Model((*Item)(nil)).Exec(ctx)
	must(err)
	_, err = db.Exec("INSERT INTO items VALUES (1, '{a,NULL,b}', '{a,NULL,b}')")
	must(err)
	show := func(what string) {
		var tags, pointers string
		must(db.QueryRow("SELECT tags::text, pointers::text FROM items").Scan(&tags, &pointers))
		fmt.Println(what, tags, pointers)
	}
	show("stored:")
	var item Item
	err = db.NewSelect().Model(&item).Scan(ctx)
	second := "nil"
	if item.Pointers[1] != nil {
		second = fmt.Sprintf("%q", *item.Pointers[1])
	}
	fmt.Printf("read: %q, the second pointer: %s, error: %v\n", item.Tags, second, err)
	_, err = db.NewUpdate().Model(&item).WherePK().Exec(ctx)
	must(err)
	show("saved again:")
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
stored: {a,NULL,b} {a,NULL,b}
read: ["a" "" "b"], the second pointer: "", error: <nil>
saved again: {a,"",b} {a,"",b}
SEEN
