#!/usr/bin/env bash
# The text that is read from a column is not the text that is stored in it, so a look-up with it finds nothing.
#
# Expected: SQLite stores text as it came, and scanning it into a string gives that text. Instead: where the column was
# declared DATE, DATETIME or TIMESTAMP, the driver parses what looks like a time, and database/sql formats it anew:
# "2026-11-30" is read as "2026-11-30T00:00:00Z". A cursor or a compare-and-set made from what was read never matches.
# Version: modernc.org/sqlite v1.61.1.
# For a host: declare such columns TEXT, or read CAST(column AS TEXT).
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
	"database/sql"
	"fmt"
	"log"

	_ "modernc.org/sqlite"
)

func main() {
	db, err := sql.Open("sqlite", "file:days.db")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	for _, kind := range []string{"TEXT", "DATE", "TIMESTAMP"} {
		if _, err := db.Exec("CREATE TABLE t" + kind + " (day " + kind + "); INSERT INTO t" + kind + " VALUES ('2026-11-30')"); err != nil {
			log.Fatal(err)
		}
		var day string
		if err := db.QueryRow("SELECT day FROM t" + kind).Scan(&day); err != nil {
			log.Fatal(err)
		}
		result, err := db.Exec("DELETE FROM t"+kind+" WHERE day = ?", day)
		if err != nil {
			log.Fatal(err)
		}
		deleted, err := result.RowsAffected()
		fmt.Println(kind, "read:", day, "rows deleted by what was read:", deleted, err)
	}
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
TEXT read: 2026-11-30 rows deleted by what was read: 1 <nil>
DATE read: 2026-11-30T00:00:00Z rows deleted by what was read: 0 <nil>
TIMESTAMP read: 2026-11-30T00:00:00Z rows deleted by what was read: 0 <nil>
SEEN
