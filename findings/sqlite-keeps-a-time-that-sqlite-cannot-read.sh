#!/usr/bin/env bash
# A time.Time saved through database/sql is text that SQLite's own date functions cannot read and that does not sort.
#
# Expected: ISO 8601 text in UTC, which SQLite reads and which sorts by time. Instead: the driver saves what
# Time.String prints: with the zone's name, and after time.Now with the monotonic clock's reading "m=+0.1". datetime()
# of it is NULL, so `WHERE datetime(at) < ...` matches no row, and ORDER BY follows the local hour.
# Version: modernc.org/sqlite v1.61.1 (its DSN parameter _time_format=sqlite mends the format, not the zone).
# For a host: "delete what is older than 30 days" deletes nothing and says nothing. Save an integer, or format the time
# yourself, in UTC.
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
	"strings"
	"time"

	_ "modernc.org/sqlite"
)

func main() {
	for _, dsn := range []string{"file:a.db", "file:b.db?_time_format=sqlite"} {
		db, err := sql.Open("sqlite", dsn)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := db.Exec("CREATE TABLE items (name, at DATETIME)"); err != nil {
			log.Fatal(err)
		}
		earlier := time.Date(2001, 1, 2, 9, 0, 0, 0, time.UTC)
		later := time.Date(2001, 1, 2, 10, 0, 0, 0, time.UTC)
		if _, err := db.Exec("INSERT INTO items VALUES ('earlier', ?), ('later', ?), ('now', ?)",
			earlier.In(time.FixedZone("EAT", 3*3600)), later, time.Now()); err != nil {
			log.Fatal(err)
		}
		fmt.Println(dsn)
		rows, err := db.Query("SELECT name, CAST(at AS TEXT), datetime(at) FROM items ORDER BY at")
		if err != nil {
			log.Fatal(err)
		}
		for rows.Next() {
			var name, text string
			var read sql.NullString
			if err := rows.Scan(&name, &text, &read); err != nil {
				log.Fatal(err)
			}
			if !read.Valid {
				read.String = "NULL"
			}
			if name == "now" {
				text = fmt.Sprint("has a monotonic reading: ", strings.Contains(text, " m=+"))
				if read.Valid {
					read.String = "a time"
				}
			}
			fmt.Printf("  %s: %s; datetime(): %s\n", name, text, read.String)
		}
		if err := db.Close(); err != nil {
			log.Fatal(err)
		}
	}
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
file:a.db
  later: 2001-01-02 10:00:00 +0000 UTC; datetime(): NULL
  earlier: 2001-01-02 12:00:00 +0300 EAT; datetime(): NULL
  now: has a monotonic reading: true; datetime(): NULL
file:b.db?_time_format=sqlite
  later: 2001-01-02 10:00:00+00:00; datetime(): 2001-01-02 10:00:00
  earlier: 2001-01-02 12:00:00+03:00; datetime(): 2001-01-02 09:00:00
  now: has a monotonic reading: false; datetime(): a time
SEEN
