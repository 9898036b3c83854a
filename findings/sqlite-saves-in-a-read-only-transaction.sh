#!/usr/bin/env bash
# A read-only transaction of database/sql takes an INSERT, commits it and says nothing.
#
# Expected: BeginTx with ReadOnly either makes the database refuse writes (PostgreSQL does) or, where a driver cannot,
# returns an error, as database/sql's comment asks of drivers: "If non-zero isolation or read-only is not supported
# an error must be returned". Instead: modernc.org/sqlite ignores the option; the row is saved.
# Version: modernc.org/sqlite v1.61.1.
# For a host: ReadOnly is no guard for what readers, reports or plug-ins do. `PRAGMA query_only=1` on a connection (or
# the DSN's mode=ro) is one.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get modernc.org/sqlite@v1.61.1
cat >main.go <<'EOF'
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	_ "modernc.org/sqlite"
)

func count(db *sql.DB) (n int) {
	if err := db.QueryRow("SELECT count(*) FROM items").Scan(&n); err != nil {
		log.Fatal(err)
	}
	return n
}

func main() {
	db, err := sql.Open("sqlite", "file:items.db")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE items (id)"); err != nil {
		log.Fatal(err)
	}
	tx, err := db.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true})
	fmt.Println("begin read-only:", err)
	_, err = tx.Exec("INSERT INTO items VALUES (1)")
	fmt.Println("insert:", err)
	fmt.Println("commit:", tx.Commit())
	fmt.Println("rows saved:", count(db))

	guarded, err := sql.Open("sqlite", "file:items.db?_pragma=query_only(1)")
	if err != nil {
		log.Fatal(err)
	}
	defer guarded.Close()
	_, err = guarded.Exec("INSERT INTO items VALUES (2)")
	fmt.Println("with query_only:", err)
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
begin read-only: <nil>
insert: <nil>
commit: <nil>
rows saved: 1
with query_only: attempt to write a readonly database (8)
SEEN
