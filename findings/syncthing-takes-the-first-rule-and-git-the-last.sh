#!/usr/bin/env bash
# The same ignore rules mean the opposite for Syncthing and for git.
#
# Expected: .stignore looks like .gitignore (patterns, "!", "/", "**"), so "*.log" and then "!keep.log" keeps keep.log
# in both. Instead: the first rule that matches counts in Syncthing, the last one in git. And "#" begins no comment
# ("#old" ignores a file of that name), "a/b" is not held to the top, and braces are alternatives.
# Versions: github.com/syncthing/syncthing v1.30.0 (lib/ignore), git 2.39. Syncthing's manual says so, too.
# For a host: a client that takes over people's .stignore as if it were a .gitignore, or the other way round, syncs
# what was to stay at home. Keep the two formats apart by name, and say which one is read.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/syncthing/syncthing/lib/ignore@v1.30.0
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"strings"

	"github.com/syncthing/syncthing/lib/fs"
	"github.com/syncthing/syncthing/lib/ignore"
)

func main() {
	for _, c := range [][2]string{
		{"*.log\n!keep.log\n", "keep.log"},
		{"!keep.log\n*.log\n", "keep.log"},
		{"#old\n", "#old"},
		{"a/b\n", "x/a/b"},
		{"{a,b}\n", "a"},
	} {
		rules, name := c[0], c[1]
		if err := os.WriteFile("tree/.gitignore", []byte(rules), 0o600); err != nil {
			log.Fatal(err)
		}
		git := exec.Command("git", "-C", "tree", "check-ignore", "-q", "--", name).Run() == nil
		m := ignore.New(fs.NewFilesystem(fs.FilesystemTypeBasic, "tree"))
		if err := m.Parse(strings.NewReader(rules), ".stignore"); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("rules %q, file %s ignored: git %v, Syncthing %v\n", rules, name, git, m.Match(name).IsIgnored())
	}
}
EOF
git init -q tree
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
rules "*.log\n!keep.log\n", file keep.log ignored: git false, Syncthing true
rules "!keep.log\n*.log\n", file keep.log ignored: git true, Syncthing false
rules "#old\n", file #old ignored: git false, Syncthing true
rules "a/b\n", file x/a/b ignored: git false, Syncthing true
rules "{a,b}\n", file a ignored: git false, Syncthing true
SEEN
