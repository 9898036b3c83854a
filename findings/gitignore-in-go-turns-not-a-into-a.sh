#!/usr/bin/env bash
# A rule that excepts a letter ignores exactly the other files in two Go libraries than in git.
#
# Expected: `[!a]x` is any one character but a, then x, as in git and in every shell. Instead: in both libraries it
# stands for "! or a": git ignores bx and keeps ax, the libraries ignore ax and keep bx. (The other spelling, `[^a]x`,
# works in all three.)
# Versions: github.com/sabhiram/go-gitignore v0.0.0-20210923224102-525f6e181f06,
# github.com/go-git/go-git/v5 v5.19.3, git 2.39.
# For a host: a sync client that reads the ignore files that people already have uploads what they meant to keep at
# home and leaves out what they meant to have saved. Test a matcher against `git check-ignore`.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/sabhiram/go-gitignore@v0.0.0-20210923224102-525f6e181f06 github.com/go-git/go-git/v5@v5.19.3
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"os/exec"

	gogit "github.com/go-git/go-git/v5/plumbing/format/gitignore"
	sabhiram "github.com/sabhiram/go-gitignore"
)

func main() {
	for _, rule := range []string{"[!a]x", "[^a]x"} {
		one := sabhiram.CompileIgnoreLines(rule)
		two := gogit.NewMatcher([]gogit.Pattern{gogit.ParsePattern(rule, nil)})
		for _, name := range []string{"ax", "bx"} {
			git := exec.Command("git", "-C", "tree", "-c", "core.excludesFile=../"+rule, "check-ignore", "-q", name).Run() == nil
			fmt.Printf("%s %s ignored: git %v, sabhiram %v, go-git %v\n", rule, name,
				git, one.MatchesPath(name), two.Match([]string{name}, false))
		}
	}
}
EOF
git init -q tree
for rule in '[!a]x' '[^a]x'; do printf '%s\n' "$rule" >"$rule"; done
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
[!a]x ax ignored: git false, sabhiram true, go-git true
[!a]x bx ignored: git true, sabhiram false, go-git false
[^a]x ax ignored: git false, sabhiram false, go-git false
[^a]x bx ignored: git true, sabhiram true, go-git true
SEEN
