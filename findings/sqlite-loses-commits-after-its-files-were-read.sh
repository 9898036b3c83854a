#!/usr/bin/env bash
# A program copies its own open database with os.ReadFile; commits that it makes later are lost when it is killed.
#
# Expected: reading a file changes nothing, and a commit with synchronous=FULL outlives the process. Instead: SQLite
# locks with POSIX locks, and these end for the whole process when *any* of its descriptors of the file is closed, so
# os.ReadFile of the database and its -shm takes the open connections' locks away. The next process that closes the
# database believes that it was the last, and deletes the -wal; the first one goes on committing into the deleted file.
# No call fails, and integrity_check says ok. (Behind it: sqlite.org, "How To Corrupt An SQLite Database File", 2.2.)
# Version: modernc.org/sqlite v1.61.1, on Linux.
# For a host: a sync client or a backup that hashes or copies a folder with its own state database in it does just this.
# Leave the files alone in the same process; use VACUUM INTO.
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
	"os"
	"os/exec"
	"path/filepath"

	_ "modernc.org/sqlite"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func open() *sql.DB {
	db, err := sql.Open("sqlite", "file:items.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
	must(err)
	return db
}

func insert(db *sql.DB, name string) {
	_, err := db.Exec("INSERT INTO items VALUES (?)", name)
	must(err)
}

func run(args ...string) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	must(cmd.Run())
}

func main() {
	if len(os.Args) == 1 {
		for _, copies := range []string{"no", "yes"} {
			files, err := filepath.Glob("items.db*")
			must(err)
			for _, f := range files {
				must(os.Remove(f))
			}
			fmt.Println("the files are read:", copies)
			run("main", copies)
			run("count")
		}
		return
	}
	db := open()
	switch os.Args[1] {
	case "main":
		_, err := db.Exec("CREATE TABLE items (name)")
		must(err)
		if os.Args[2] == "yes" {
			files, err := filepath.Glob("items.db*")
			must(err)
			for _, f := range files {
				_, err := os.ReadFile(f)
				must(err)
			}
		}
		run("other")
		for range 10 {
			insert(db, "main")
		}
		fmt.Println("  10 commits without an error")
		os.Exit(0) // without Close, as if killed
	case "other":
		insert(db, "other")
		must(db.Close())
	case "count":
		var n int
		must(db.QueryRow("SELECT count(*) FROM items WHERE name = 'main'").Scan(&n))
		var check string
		must(db.QueryRow("PRAGMA integrity_check").Scan(&check))
		fmt.Println("  of the 10 are there:", n, "integrity_check:", check)
	}
}
EOF
go build -o finding .
out=$(./finding)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
the files are read: no
  10 commits without an error
  of the 10 are there: 10 integrity_check: ok
the files are read: yes
  10 commits without an error
  of the 10 are there: 0 integrity_check: ok
SEEN
