package stacksync_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDocumentation keeps the promises of the documents: each Go block is a whole program (or test)
// that passes vet and runs, and each command that a reader is told to run has what it names.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	for _, document := range documents(t) {
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(document)
			require.NoError(t, err)
			blocks, err := fencedBlocks(string(text))
			require.NoError(t, err)
			for _, b := range blocks {
				t.Run(fmt.Sprintf("line %d", b.line), func(t *testing.T) {
					t.Parallel()
					require.NoError(t, b.check(t.Context(), t.TempDir()))
				})
			}
		})
	}
}

// fencedBlock is a block of code in a Markdown document.
type fencedBlock struct {
	line     int // where its text begins, from 1
	language string
	text     string
}

var fence = regexp.MustCompile("^([ \t>]*)(`{3,}|~{3,})[ \t]*([^ \t`{]*)")

func fencedBlocks(markdown string) ([]fencedBlock, error) {
	var blocks []fencedBlock
	var open *fencedBlock
	var indent, marker string
	for i, line := range strings.Split(markdown, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open == nil && m != nil:
			indent, marker = m[1], m[2]
			open = &fencedBlock{line: i + 2, language: strings.ToLower(m[3])}
		case open == nil:
		case m != nil && strings.HasPrefix(m[2], marker) && m[3] == "":
			blocks = append(blocks, *open)
			open = nil
		default:
			open.text += strings.TrimPrefix(line, indent) + "\n"
		}
	}
	if open != nil {
		return nil, fmt.Errorf("the block that begins in line %d has no end", open.line)
	}
	return blocks, nil
}

func (b fencedBlock) check(ctx context.Context, dir string) error {
	switch b.language {
	case "go", "golang":
		return b.checkGo(ctx, dir)
	case "sh", "bash", "shell", "console":
		return b.checkShell(ctx)
	}
	return nil
}

var packageClause = regexp.MustCompile(`(?m)^package (\w+)`)

// checkGo builds in this module, so that the block sees the library as it is, and runs in a folder
// of its own.
func (b fencedBlock) checkGo(ctx context.Context, dir string) error {
	clause := packageClause.FindStringSubmatch(b.text)
	if clause == nil {
		return errors.New("a Go block must be a whole program, so that it can be run; fence a fragment as text")
	}
	name := "main.go"
	if strings.HasSuffix(clause[1], "_test") {
		name = "document_test.go"
	}
	file, program, work := filepath.Join(dir, name), filepath.Join(dir, "program"), filepath.Join(dir, "work")
	if err := errors.Join(os.WriteFile(file, []byte(b.text), 0o600), os.Mkdir(work, 0o700)); err != nil {
		return err
	}
	if err := runCommand(ctx, "", "go", "vet", file); err != nil {
		return err
	}
	switch {
	case name != "main.go":
		if err := runCommand(ctx, "", "go", "test", "-c", "-o", program, file); err != nil {
			return err
		}
	case clause[1] == "main":
		if err := runCommand(ctx, "", "go", "build", "-o", program, file); err != nil {
			return err
		}
	default:
		return nil // a library: vet has compiled it
	}
	return runCommand(ctx, work, program)
}

// runCommand runs a command, which has five minutes: a compiler may have all to compile.
func runCommand(ctx context.Context, dir, name string, args ...string) error {
	const most = 5 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("no end within %v: %w", most, ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return nil
}

var (
	makeTarget  = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
	environment = regexp.MustCompile(`^[A-Z_]+=`)
)

// checkShell checks that the packages and targets exist which go run, go test and make are told to
// use. It does not run them.
func (b fencedBlock) checkShell(ctx context.Context) error {
	var faults []error
	for _, words := range shellCommands(b.text) {
		switch {
		case words[0] == "make":
			faults = append(faults, checkMake(words[1:]))
		case len(words) > 2 && words[0] == "go" && (words[1] == "run" || words[1] == "test"):
			faults = append(faults, checkPackages(ctx, words[2:], words[1] == "run"))
		}
	}
	return errors.Join(faults...)
}

// shellCommands splits a script into commands and those into words, without comments, prompts and
// settings in front.
func shellCommands(script string) [][]string {
	var commands [][]string
	script = strings.ReplaceAll(script, "\\\n", " ")
	for _, line := range strings.Split(script, "\n") {
		line, _, _ = strings.Cut(" "+line, " #")
		for _, part := range regexp.MustCompile(`&&|\|\|?|;`).Split(line, -1) {
			words := strings.Fields(part)
			for len(words) > 0 && (words[0] == "$" || environment.MatchString(words[0])) {
				words = words[1:]
			}
			if len(words) > 0 {
				commands = append(commands, words)
			}
		}
	}
	return commands
}

func checkMake(targets []string) error {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		return fmt.Errorf("read the targets: %w", err)
	}
	known := map[string]bool{}
	for _, m := range makeTarget.FindAllStringSubmatch(string(makefile), -1) {
		known[m[1]] = true
	}
	for _, target := range targets {
		if !known[target] && !environment.MatchString(target) {
			return fmt.Errorf("the Makefile has no target %q", target)
		}
	}
	return nil
}

// checkPackages looks up what begins with a dot: all of it for go test, and for go run the first,
// since the program's own arguments follow.
func checkPackages(ctx context.Context, args []string, firstOnly bool) error {
	for _, arg := range args {
		if arg != "." && !strings.HasPrefix(arg, "./") {
			continue
		}
		out, err := exec.CommandContext(ctx, "go", "list", arg).Output()
		if err != nil || len(bytes.TrimSpace(out)) == 0 {
			return fmt.Errorf("there is no package %s", arg)
		}
		if firstOnly {
			break
		}
	}
	return nil
}

func TestFencedBlocks(t *testing.T) {
	t.Parallel()
	blocks, err := fencedBlocks(strings.Join([]string{
		"# Title", "```go", "package main", "", "```", "text with ```go inside",
		"- a list", "  ~~~sh", "  make test", "  ```", "  ~~~",
		"````text", "```go", "not Go", "```", "````", "``` Go title", "x", "```", "```", "plain", "```",
	}, "\n"))
	require.NoError(t, err)
	assert.Equal(t, []fencedBlock{
		{line: 3, language: "go", text: "package main\n\n"},
		{line: 9, language: "sh", text: "make test\n```\n"},
		{line: 13, language: "text", text: "```go\nnot Go\n```\n"},
		{line: 18, language: "go", text: "x\n"},
		{line: 21, text: "plain\n"},
	}, blocks)

	_, err = fencedBlocks("a\n```go\npackage main\n")
	assert.ErrorContains(t, err, "line 3")
}

// TestFencedBlocksFindFaults shows that a broken document fails, and a sound one does not.
func TestFencedBlocksFindFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ language, text, fault string }{
		"program":               {"go", "package main\n\nimport _ \"" + modulePath + "/notify/local\"\n\nfunc main() { println(1) }\n", ""},
		"test":                  {"go", "package x_test\n\nimport \"testing\"\n\nfunc TestX(*testing.T) {}\n", ""},
		"library":               {"go", "// Package x is documented.\npackage x\n\nvar X = 1\n", ""},
		"fragment":              {"go", "x := 1\n", "whole program"},
		"not compiling":         {"go", "package main\n\nfunc main() { x }\n", "undefined: x"},
		"library not compiling": {"go", "package x\n\nvar X = y\n", "undefined: y"},
		"vet":                   {"go", "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Printf(\"%d\", \"\") }\n", "wrong type"},
		"failing program":       {"go", "package main\n\nfunc main() { panic(\"boom\") }\n", "boom"},
		"failing test":          {"go", "package x_test\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Fatal(\"boom\") }\n", "boom"},
		"commands":              {"sh", "$ make test race # all\nX=1 go test -race ./notify/... . \\\n  ./internal/conformance\ngo get example.com/x; ls\n", ""},
		"program and data":      {"sh", "go run ./notify/local -dir ./nowhere", ""},
		"no target":             {"sh", "cd x && make tests", `no target "tests"`},
		"no package":            {"console", "$ go test ./notify/nowhere", "no package ./notify/nowhere"},
		"no program":            {"bash", "go run -race ./examples/nowhere -dir ./data", "no package ./examples/nowhere"},
		"empty pattern":         {"sh", "go test ./internal/conformance/x...", "no package"},
		"another language":      {"json", "{", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := fencedBlock{language: c.language, text: c.text}.check(t.Context(), t.TempDir())
			if c.fault == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, c.fault)
		})
	}
}
