#!/usr/bin/env bash
# An ignore rule that is a plain file name ignores another file instead.
#
# Expected: in an ignore file only * ? [ ] \ and a leading ! or # are special; a browser's `report(1).pdf` is a name.
# Instead: the library builds a regular expression and leaves ( ) + | ^ $ in it as they are: the rule `report(1).pdf`
# keeps that file and ignores report1.pdf, `notes+old` ignores notesold, `a|b` ignores b. And a rule with a slash in
# its middle is not held to the top: `docs/draft` ignores x/docs/draft too.
# Versions: github.com/sabhiram/go-gitignore v0.0.0-20210923224102-525f6e181f06, git 2.39.
# For a host: files of people are silently left out of the sync. Test a matcher against `git check-ignore`.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/sabhiram/go-gitignore@v0.0.0-20210923224102-525f6e181f06
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"

	ignore "github.com/sabhiram/go-gitignore"
)

func main() {
	for _, c := range [][2]string{
		{"report(1).pdf", "report(1).pdf"}, {"report(1).pdf", "report1.pdf"},
		{"notes+old", "notes+old"}, {"notes+old", "notesold"},
		{"a|b", "b"},
		{"docs/draft", "docs/draft"}, {"docs/draft", "x/docs/draft"},
	} {
		rule, name := c[0], c[1]
		if err := os.WriteFile("tree/.gitignore", []byte(rule+"\n"), 0o600); err != nil {
			log.Fatal(err)
		}
		git := exec.Command("git", "-C", "tree", "check-ignore", "-q", name).Run() == nil
		fmt.Printf("rule %s, file %s ignored: git %v, sabhiram %v\n", rule, name, git, ignore.CompileIgnoreLines(rule).MatchesPath(name))
	}
}
EOF
git init -q tree
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
rule report(1).pdf, file report(1).pdf ignored: git true, sabhiram false
rule report(1).pdf, file report1.pdf ignored: git false, sabhiram true
rule notes+old, file notes+old ignored: git true, sabhiram false
rule notes+old, file notesold ignored: git false, sabhiram true
rule a|b, file b ignored: git false, sabhiram true
rule docs/draft, file docs/draft ignored: git true, sabhiram true
rule docs/draft, file x/docs/draft ignored: git false, sabhiram true
SEEN
