#!/usr/bin/env bash
# Half of all 64-bit hashes are rounded when they are saved, match other hashes, and can't be read again.
#
# Expected: a uint64 that SQLite's signed integers cannot hold is an error; with plain database/sql it is one ("uint64
# values with high bit set are not supported"). Instead: bun writes the number into the statement, SQLite reads a
# literal beyond 2^63 as a floating-point number, and the insert succeeds. Two hashes that differ in their last digits
# are one value then, and the row cannot be scanned into a uint64 any more.
# Versions: github.com/uptrace/bun v1.3.0 (sqlitedialect), modernc.org/sqlite v1.61.1.
# For a host: xxhash or a shortened SHA-256 as an id of chunks loses chunks. Save 8 bytes, or int64(hash).
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

type Chunk struct {
	ID   int64 `bun:",pk,autoincrement"`
	Hash uint64
}

func main() {
	ctx := context.Background()
	conn, err := sql.Open("sqlite", "file:chunks.db")
	if err != nil {
		log.Fatal(err)
	}
	db := bun.NewDB(conn, sqlitedialect.New())
	defer db.Close()
	if _, err := db.NewCreateTable().Model((*Chunk)(nil)).Exec(ctx); err != nil {
		log.Fatal(err)
	}
	for _, hash := range []uint64{0x1f2e3d4c5b6a7988, 0x9f2e3d4c5b6a7988} {
		_, err = db.NewInsert().Model(&Chunk{Hash: hash}).Exec(ctx)
		fmt.Printf("%x: insert %v\n", hash, err)
		known, err := db.NewSelect().Model((*Chunk)(nil)).Where("hash = ?", hash+1).Exists(ctx)
		fmt.Printf("  another hash, %x, is known: %v %v\n", hash+1, known, err)
		var c Chunk
		err = db.NewSelect().Model(&c).Where("hash = ?", hash).Scan(ctx)
		fmt.Printf("  read: %x %v\n", c.Hash, err)
	}
	_, err = conn.Exec("INSERT INTO chunks (hash) VALUES (?)", uint64(0x9f2e3d4c5b6a7988))
	fmt.Println("database/sql:", err)
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
1f2e3d4c5b6a7988: insert <nil>
  another hash, 1f2e3d4c5b6a7989, is known: false <nil>
  read: 1f2e3d4c5b6a7988 <nil>
9f2e3d4c5b6a7988: insert <nil>
  another hash, 9f2e3d4c5b6a7989, is known: true <nil>
  read: 0 sql: Scan error on column index 1, name "hash": bun: can't scan 1.1470172699119745e+19 (float64) into uint64
database/sql: sql: converting argument $1 type: uint64 values with high bit set are not supported
SEEN
