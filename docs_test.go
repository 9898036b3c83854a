package stacksync_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// documents returns the paths of all documents that people read: those of the root and all below
// docs.
func documents(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("*.md")
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir("docs", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && path.Ext(name) == ".md" {
			names = append(names, filepath.ToSlash(name))
		}
		return err
	}))
	for _, known := range []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/design.md", "docs/map.md", "docs/design/commit.md", "docs/decisions/README.md"} {
		require.Contains(t, names, known)
	}
	return names
}

// TestDocumentsText checks the lines of all documents, and that their links lead somewhere.
func TestDocumentsText(t *testing.T) {
	t.Parallel()
	for _, name := range documents(t) {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, fault := range append(longLines(string(text)), brokenLinks(name, string(text))...) {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

// longLines finds lines of prose that have more than 120 characters. Rows of tables and code can't
// be broken.
func longLines(text string) (faults []string) {
	const most = 120
	for i, line := range prose(text) {
		if n := utf8.RuneCountInString(line); n > most && strings.Contains(strings.TrimLeft(line, " -"), " ") && !strings.HasPrefix(line, "|") {
			faults = append(faults, fmt.Sprintf("line %d has %d characters, and may have %d", i+1, n, most))
		}
	}
	return faults
}

// prose returns the lines of a document; those of fenced blocks are empty.
func prose(text string) []string {
	lines := strings.Split(text, "\n")
	marker := ""
	for i, line := range lines {
		m := fence.FindStringSubmatch(line)
		switch {
		case marker == "" && m != nil:
			marker = m[2]
		case marker != "" && m != nil && strings.HasPrefix(m[2], marker) && m[3] == "":
			marker = ""
		case marker == "":
			continue
		}
		lines[i] = ""
	}
	return lines
}

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeSpan = regexp.MustCompile("`([^`]+)`")
	heading  = regexp.MustCompile(`(?m)^#+ +(.+)$`)
)

// brokenLinks finds links to files that are not there, and to headings that a document does not
// have.
func brokenLinks(name, text string) (faults []string) {
	for _, m := range link.FindAllStringSubmatch(strings.Join(prose(text), "\n"), -1) {
		target, anchor, _ := strings.Cut(m[1], "#")
		if strings.Contains(target, "://") {
			continue
		}
		of := name
		if target != "" {
			of = path.Join(path.Dir(name), target)
		}
		linked, err := os.ReadFile(of)
		if info, isThere := os.Stat(of); err != nil && (isThere != nil || !info.IsDir()) {
			faults = append(faults, "the link "+m[1]+" leads to no file")
			continue
		}
		if of == name {
			linked = []byte(text)
		}
		if anchor != "" && !slices.Contains(anchors(string(linked)), anchor) {
			faults = append(faults, "the link "+m[1]+" leads to no heading")
		}
	}
	return faults
}

// anchors returns what links call the headings of a document.
func anchors(text string) (names []string) {
	for _, m := range heading.FindAllStringSubmatch(strings.Join(prose(text), "\n"), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
				return r
			}
			return -1
		}, strings.ToLower(strings.TrimSpace(m[1])))
		names = append(names, name)
	}
	return names
}

// TestMap looks up what docs/map.md names: every file and package is there, every function, type,
// field or constant is declared in one of the files of its row or paragraph, and no package is
// forgotten.
func TestMap(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/map.md")
	require.NoError(t, err)
	for _, fault := range mapFaults(string(text)) {
		t.Error(fault)
	}
	rows := 0
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "| ") && strings.Contains(line, "](../") {
			rows++
		}
	}
	assert.GreaterOrEqual(t, rows, 60, "questions")

	packages := []string{"service"}
	for _, pattern := range []string{"service/internal/*", "metastore/*", "notify/*", "backend/*", "metastore/internal/*", "notify/internal/*", "backend/internal/*"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		packages = append(packages, found...)
	}
	for _, p := range packages {
		if sources, err := filepath.Glob(p + "/*.go"); err != nil || len(sources) == 0 {
			continue // a file, or a folder of packages
		}
		if name := "`" + filepath.ToSlash(p) + "`"; !strings.Contains(string(text), name) {
			t.Errorf("the table of layers lacks %s", name)
		}
	}
}

var (
	mapFile       = regexp.MustCompile(`^[\w./-]+\.(go|md|sql)$`)
	mapPackage    = regexp.MustCompile(`^(examples|service|metastore|notify|backend|internal|docs)(/[\w/-]+)?$`)
	mapIdentifier = regexp.MustCompile(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)?$`)
)

// mapFaults tells what a map names that is not there. A row of a table is a unit, as is a
// paragraph: what it names is looked for in its files, and in the root package if it has none.
func mapFaults(text string) (faults []string) {
	for _, unit := range units(text) {
		var files, names []string
		for _, m := range link.FindAllStringSubmatch(unit, -1) {
			if target, _, _ := strings.Cut(m[1], "#"); strings.HasPrefix(target, "../") {
				files = append(files, strings.TrimPrefix(target, "../"))
			}
		}
		for _, m := range codeSpan.FindAllStringSubmatch(unit, -1) {
			switch name := m[1]; {
			case mapFile.MatchString(name) || mapPackage.MatchString(name):
				files = append(files, name)
			case mapIdentifier.MatchString(name):
				names = append(names, name)
			}
		}
		declared := map[string]bool{}
		if len(files) == 0 {
			files = []string{"."}
		}
		for _, f := range files {
			found, err := declarations(f)
			if err != nil {
				faults = append(faults, fmt.Sprintf("%q names %s: %v", start(unit), f, err))
			}
			for _, name := range found {
				declared[name] = true
			}
		}
		for _, name := range names {
			if !declared[name] {
				faults = append(faults, fmt.Sprintf("%q names %s, which is not declared in %s", start(unit), name, strings.Join(files, ", ")))
			}
		}
	}
	return faults
}

func start(unit string) string { return string([]rune(unit + strings.Repeat(" ", 40))[:40]) }

// units splits a document into rows of tables, items of lists and paragraphs.
func units(text string) (all []string) {
	unit := ""
	end := func() {
		if unit != "" {
			all = append(all, unit)
		}
		unit = ""
	}
	for _, line := range prose(text) {
		if line == "" || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "- ") {
			end()
		}
		if line != "" {
			unit += line + "\n"
		}
		if strings.HasPrefix(line, "|") {
			end()
		}
	}
	end()
	return all
}

// declarations names what a Go file declares, or all Go files of a folder: functions, types,
// variables and constants by their names, methods and fields as Type.Name. Other files declare
// nothing, but must be there.
func declarations(name string) (names []string, err error) {
	files := []string{name}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("it is not there: %w", err)
	}
	if info.IsDir() {
		if files, err = filepath.Glob(name + "/*.go"); err != nil {
			return nil, err
		}
	}
	for _, file := range files {
		if path.Ext(file) != ".go" {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range tree.Decls {
			names = append(names, declared(d)...)
		}
	}
	return names, nil
}

func declared(d ast.Decl) (names []string) {
	if f, ok := d.(*ast.FuncDecl); ok {
		if f.Recv == nil {
			return []string{f.Name.Name}
		}
		return []string{receiver(f.Recv.List[0].Type) + "." + f.Name.Name}
	}
	general, ok := d.(*ast.GenDecl)
	if !ok {
		return nil
	}
	for _, spec := range general.Specs {
		switch s := spec.(type) {
		case *ast.ValueSpec:
			for _, name := range s.Names {
				names = append(names, name.Name)
			}
		case *ast.TypeSpec:
			names = append(names, s.Name.Name)
			var fields *ast.FieldList
			switch typ := s.Type.(type) {
			case *ast.StructType:
				fields = typ.Fields
			case *ast.InterfaceType:
				fields = typ.Methods
			default:
				continue
			}
			for _, field := range fields.List {
				for _, name := range field.Names {
					names = append(names, s.Name.Name+"."+name.Name)
				}
			}
		}
	}
	return names
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// TestDocumentedNumbers keeps numbers that documents say in words.
func TestDocumentedNumbers(t *testing.T) {
	t.Parallel()
	words := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}
	count := func(of ...reflect.Type) (n int) {
		for _, i := range of {
			n += i.NumMethod()
		}
		return n
	}
	reads, locks, writes := count(reflect.TypeFor[stacksync.Reader]()), count(reflect.TypeFor[stacksync.Locker]()), count(reflect.TypeFor[stacksync.Writer]())
	removes, due := count(reflect.TypeFor[stacksync.Remover]()), count(reflect.TypeFor[stacksync.Outbox](), reflect.TypeFor[stacksync.Journal]())
	require.Equal(t, count(reflect.TypeFor[stacksync.Tx]()), reads+locks+writes+removes+due, "the parts of a Tx")
	text, err := os.ReadFile("docs/design.md")
	require.NoError(t, err)
	assert.Contains(t, strings.Join(strings.Fields(string(text)), " "), fmt.Sprintf("%s reads, %s lock, %s write, %s ways to remove rows, and %s calls about hints and operations that are due",
		words[reads], words[locks], words[writes], words[removes], words[due]))
}

// TestDocumentsFindFaults shows that each check of documents can fail.
func TestDocumentsFindFaults(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 30)
	assert.Len(t, longLines(long+"\n- "+long), 2)
	assert.Empty(t, longLines("| "+long+" |\n```text\n"+long+"\n```\n"+strings.Repeat("x", 200)))

	assert.Empty(t, brokenLinks("docs/design.md", "# A b: c\n[a](#a-b-c) [b](../README.md) [c](https://example.com/none) [d](design/commit.md#the-rules) [e](decisions)\n```text\n[f](none)\n```"))
	assert.Len(t, brokenLinks("docs/design.md", "[a](none.md) [b](README.md) [c](#none) [d](design/commit.md#none)"), 4)

	assert.Empty(t, mapFaults("| a cycle | [commit.go](../commit.go) | `Ledger.checkParent`, `Rules.Decide` |\n\n`Locker.Lock` (`metadata.go`)\nand `service/internal/gather` `Gatherer.Do`\n\n`Rules.Check`"))
	for _, text := range []string{
		"| a cycle | [commit.go](../decide.go) | |",
		"| a cycle | [commit.go](../commit.go) | `Rules.Check` |", // of another file
		"`Rules.Decode`",
		"`metadata.go` has `Locker.Unlock`",
		"`service/internal/cycle`",
	} {
		assert.Len(t, mapFaults(text), 1, text)
	}
}

// TestUsualNames keeps the names by which README.md says that packages of one name are imported, in
// the examples and in the programs that documents show.
func TestUsualNames(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	usual := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+/[a-z]+)` \\| `([a-z]+)` \\|$").FindAllStringSubmatch(string(readme), -1) {
		usual[modulePath+"/"+m[1]] = m[2]
	}
	require.Len(t, usual, 4, "the table of names in README.md")
	for _, of := range documents(t) {
		text, err := os.ReadFile(of)
		require.NoError(t, err)
		blocks, err := fencedBlocks(string(text))
		require.NoError(t, err)
		for _, b := range blocks {
			if b.language == "go" {
				for _, fault := range unusualImports(b.text, usual) {
					t.Errorf("%s, line %d: %s", of, b.line, fault)
				}
			}
		}
	}
	for _, f := range readTree(t) {
		if f.isGo && f.in("examples") {
			for _, fault := range unusualImports(f.text, usual) {
				t.Errorf("%s: %s", f.path, fault)
			}
		}
	}

	source := "package a; import m \"" + modulePath + "/metastore/memory\""
	require.Len(t, unusualImports(source, usual), 1)
	require.Empty(t, unusualImports(strings.Replace(source, "import m", "import metadata", 1), usual))
}

// unusualImports finds imports of a Go file that have another name than the usual one.
func unusualImports(source string, usual map[string]string) (faults []string) {
	tree, err := parser.ParseFile(token.NewFileSet(), "", source, parser.ImportsOnly)
	if err != nil {
		return []string{err.Error()}
	}
	for _, i := range tree.Imports {
		imported := strings.Trim(i.Path.Value, `"`)
		if want := usual[imported]; want != "" && (i.Name == nil || i.Name.Name != want) {
			faults = append(faults, fmt.Sprintf("%s is imported as %s elsewhere", imported, want))
		}
	}
	return faults
}
