#!/usr/bin/env bash
# "Delete what is not in this list" deletes nothing when the list is empty, without an error.
#
# Expected: NOT IN of an empty list is true for every row, or an error. Instead: bun writes an empty (or nil) list as
# NULL, and `id NOT IN (NULL)` is unknown for every row in SQL, in every database.
# Versions: github.com/uptrace/bun v1.3.0, modernc.org/sqlite v1.61.1.
# For a host: the clean-up of devices, sessions or chunks that are no longer named stops at just the moment when none
# is named any more. Look at the length before the query.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/uptrace/bun@v1.3.0 github.com/uptrace/bun/dialect/sqlitedialect@v1.3.0 modernc.org/sqlite@v1.61.1
cat >main.go <<'EOF'
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite"
)

func main() {
	conn, err := sql.Open("sqlite", "file:chunks.db")
	if err != nil {
		log.Fatal(err)
	}
	db := bun.NewDB(conn, sqlitedialect.New())
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE chunks (id INTEGER PRIMARY KEY); INSERT INTO chunks VALUES (1), (2), (3)"); err != nil {
		log.Fatal(err)
	}
	for _, named := range [][]int64{{1, 2}, {}} {
		query := db.NewDelete().Table("chunks").Where("id NOT IN (?)", bun.In(named))
		result, err := query.Exec(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		deleted, err := result.RowsAffected()
		fmt.Println(query.String(), "deleted:", deleted, err)
	}
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
DELETE FROM "chunks" WHERE (id NOT IN (1, 2)) deleted: 1 <nil>
DELETE FROM "chunks" WHERE (id NOT IN (NULL)) deleted: 0 <nil>
SEEN
