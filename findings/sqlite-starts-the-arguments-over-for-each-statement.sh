#!/usr/bin/env bash
# Two statements in one Exec with two arguments: both take the first one.
#
# Expected: several statements in one string share the arguments in order, or are refused (PostgreSQL's extended
# protocol), or are an error because an argument is left over. Instead: each statement counts its ? from the first
# argument again. Nothing is said of the second argument. The statements are no transaction either: those before one that
# fails stay saved.
# Version: modernc.org/sqlite v1.61.1.
# For a host: "set this user's quota; set that user's quota" in one Exec gives both the first value. One statement a
# call, or ?1 and ?2.
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
	db, err := sql.Open("sqlite", "file:users.db")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE users (name TEXT PRIMARY KEY, quota); INSERT INTO users VALUES ('ann', 0), ('bob', 0)"); err != nil {
		log.Fatal(err)
	}
	show := func(what string, err error) {
		var all string
		if err := db.QueryRow("SELECT group_concat(name || ' ' || quota, ', ') FROM (SELECT * FROM users ORDER BY name)").Scan(&all); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %v; %s\n", what, err, all)
	}
	_, err = db.Exec("UPDATE users SET quota = ? WHERE name = 'ann'; UPDATE users SET quota = ? WHERE name = 'bob'", 100, 200)
	show("100 for ann and 200 for bob", err)
	_, err = db.Exec("UPDATE users SET quota = ?1 WHERE name = 'ann'; UPDATE users SET quota = ?2 WHERE name = 'bob'", 100, 200)
	show("numbered", err)
	_, err = db.Exec("UPDATE users SET quota = 7 WHERE name = 'ann'; INSERT INTO users VALUES ('bob', 8)")
	show("the second fails", err)
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
100 for ann and 200 for bob: <nil>; ann 100, bob 100
numbered: <nil>; ann 100, bob 200
the second fails: constraint failed: UNIQUE constraint failed: users.name (1555); ann 7, bob 200
SEEN
