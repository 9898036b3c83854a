#!/usr/bin/env bash
# A NUL character, saved in a jsonb column, comes back as six other characters; those six themselves are refused.
#
# Expected: jsonb cannot hold NUL, so that insert fails: PostgreSQL says 22P05, "unsupported Unicode escape sequence".
# Any other text goes through. Instead: bun puts a backslash before each \u0000 that it finds in encoding/json's output.
# A NUL is saved, without an error, as a backslash, u, 0, 0, 0, 0. A text that has just these six characters has two
# backslashes in JSON already; with the third it is the NUL that PostgreSQL refuses.
# Versions: github.com/uptrace/bun v1.3.0 (pgdialect, pgdriver v1.2.18), PostgreSQL 15.18.
# For a host: attributes that clients set come back changed, so a hash or signature over them no longer fits, and a
# harmless text (a JSON document as a value) cannot be saved. Refuse NUL on the way in; keep such texts in a text column.
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
	ID    int64             `bun:",pk"`
	Attrs map[string]string `bun:"type:jsonb"`
}

func main() {
	ctx := context.Background()
	db := open()
	_, err := db.NewCreateTable().Model((*Item)(nil)).Exec(ctx)
	must(err)
	for i, text := range []string{"a\x00b", `a\u0000b`, "a\x01b"} {
		_, err := db.NewInsert().Model(&Item{ID: int64(i), Attrs: map[string]string{"note": text}}).Exec(ctx)
		if err != nil {
			fmt.Printf("saving %q (%d bytes): %v\n", text, len(text), err)
			continue
		}
		var item Item
		must(db.NewSelect().Model(&item).Where("id = ?", i).Scan(ctx))
		fmt.Printf("saved %q (%d bytes), read %q (%d bytes)\n", text, len(text), item.Attrs["note"], len(item.Attrs["note"]))
	}
	_, err = db.Exec(`INSERT INTO items VALUES (9, '{"note": "a\u0000b"}')`)
	fmt.Println("PostgreSQL itself:", err)
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
saved "a\x00b" (3 bytes), read "a\\u0000b" (8 bytes)
saving "a\\u0000b" (8 bytes): ERROR: unsupported Unicode escape sequence (SQLSTATE=22P05)
saved "a\x01b" (3 bytes), read "a\x01b" (3 bytes)
PostgreSQL itself: ERROR: unsupported Unicode escape sequence (SQLSTATE=22P05)
SEEN
