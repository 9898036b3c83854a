#!/usr/bin/env bash
# Two watches that both succeeded are one, and it speaks by the first name only, even after that name is gone.
#
# Expected: Add of a second name for a folder (a symlink) or a file (a hard link) is an error, or makes events under
# that name. Instead: inotify has one watch for one inode; Add returns nil, WatchList shows the first name, all events
# carry it, and Remove of the second name says that it was never watched. When the first name of a hard-linked
# file is deleted, later writes through the other are still reported under the deleted name.
# Versions: github.com/fsnotify/fsnotify v1.10.1 on Linux.
# For a host: a sync client with two configured folders that are one (one through a symlink) sees no change in the second.
# Compare folders by device and inode before Add.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/fsnotify/fsnotify@v1.10.1
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"log"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	must(os.Mkdir("real", 0o700))
	must(os.Symlink("real", "link"))
	must(os.WriteFile("one", nil, 0o600))
	must(os.Link("one", "two"))
	must(os.Mkdir("marks", 0o700))

	w, err := fsnotify.NewWatcher()
	must(err)
	defer w.Close()
	must(w.Add("marks"))
	// show prints the events up to the creation of a file that it makes itself.
	marks := 0
	show := func(what string) {
		marks++
		mark := fmt.Sprintf("marks/%d", marks)
		must(os.Mkdir(mark, 0o700))
		fmt.Println(what)
		for {
			select {
			case e := <-w.Events:
				if e.Name == mark {
					return
				}
				fmt.Println("  event:", e.Op, e.Name)
			case <-time.After(10 * time.Second):
				log.Fatal("no event")
			}
		}
	}
	fmt.Println("Add real:", w.Add("real"), "Add link:", w.Add("link"))
	must(os.Mkdir("link/made", 0o700))
	show("a folder is made through link")
	fmt.Println("Remove link:", w.Remove("link"))
	must(w.Remove("real"))

	fmt.Println("Add one:", w.Add("one"), "Add two:", w.Add("two"))
	must(os.Truncate("two", 10))
	show("two is written")
	must(os.Remove("one"))
	show("one is deleted")
	must(os.Truncate("two", 20))
	show("two is written")
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
Add real: <nil> Add link: <nil>
a folder is made through link
  event: CREATE real/made
Remove link: fsnotify: can't remove non-existent watch: link
Add one: <nil> Add two: <nil>
two is written
  event: WRITE one
one is deleted
  event: CHMOD one
two is written
  event: WRITE one
SEEN
