#!/usr/bin/env bash
# A NULL read into a uuid.UUID leaves the id of the row before in it, without an error.
#
# Expected: scanning NULL into a UUID is an error, as it is for a string or an int64 of database/sql, or sets it to
# uuid.Nil. Instead: Scan(nil), Scan("") and Scan([]byte{}) return nil and do not touch the value.
# Versions: github.com/google/uuid v1.6.0, modernc.org/sqlite v1.61.1.
# For a host: with one variable for all rows, an item without a parent gets the parent of the row before it, and a
# statement that writes the rows back makes that true. Scan into uuid.NullUUID, or declare the variable in the loop.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/google/uuid@v1.6.0 modernc.org/sqlite@v1.61.1
cat >main.go <<'EOF'
package main

import (
	"database/sql"
	"fmt"
	"log"

	"github.com/google/uuid"
	_ "modernc.org/sqlite"
)

func main() {
	db, err := sql.Open("sqlite", "file:tree.db")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE items (name TEXT, parent TEXT);
		INSERT INTO items VALUES ('in-a-folder', '0190163d-8694-739b-aea5-966c26f8ad91'), ('at-the-top', NULL), ('at-the-top-too', '')`); err != nil {
		log.Fatal(err)
	}
	rows, err := db.Query("SELECT name, parent FROM items ORDER BY rowid")
	if err != nil {
		log.Fatal(err)
	}
	var name, text string
	var parent uuid.UUID
	for rows.Next() {
		err := rows.Scan(&name, &parent)
		fmt.Println(name, parent, err)
	}
	err = db.QueryRow("SELECT parent FROM items WHERE name = 'at-the-top'").Scan(&text)
	fmt.Println("into a string:", err)
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
in-a-folder 0190163d-8694-739b-aea5-966c26f8ad91 <nil>
at-the-top 0190163d-8694-739b-aea5-966c26f8ad91 <nil>
at-the-top-too 0190163d-8694-739b-aea5-966c26f8ad91 <nil>
into a string: sql: Scan error on column index 0, name "parent": converting NULL to string is unsupported
SEEN
