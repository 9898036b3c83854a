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
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const modulePath = "github.com/stacksync/stacksync-go"

// TestArchitecture keeps the walls of docs/design.md: examples → back-ends → root → standard
// library.
func TestArchitecture(t *testing.T) {
	t.Parallel()
	files := readTree(t)
	for _, r := range archRules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, f := range files {
				for _, fault := range r.faults(f) {
					t.Errorf("%s: %s", f.path, fault)
				}
			}
		})
	}
}

// An archRule looks at one file and tells what is wrong with it.
type archRule struct {
	name   string
	faults func(f sourceFile) []string
}

var archRules = []archRule{
	{"every package has a place in the design", packagePlace},
	{"the root imports no back-end", rootImports},
	{"the service imports the root and its own rooms", serviceImports},
	{"a room of the service imports those on the floors below", roomImports},
	{"a back-end imports the root and its driver", backendImports},
	{"a suite imports no back-end", suiteImports},
	{"suites and test libraries are imported by tests only", testImports},
	{"nobody imports an example", exampleImports},
	{"packages are named after what they provide", packageName},
	{"files are short", fileLength},
	{"there are no init functions", initFunctions},
	{"nothing is left unfinished, no machine is named", misplacedWords},
}

// everybody may import these modules: root has them in its interfaces, or decides by them what
// names are equal.
var everybody = []string{"github.com/google/uuid", "golang.org/x/text"}

// drivers are the modules that a back-end is made of, and the packages of its family that it shares
// with a relative.
var drivers = map[string][]string{
	"backend":                     {modulePath + "/internal/checked"},
	"backend/dir":                 {modulePath + "/backend/internal/check", "golang.org/x/sys"},
	"backend/ftp":                 {modulePath + "/backend/internal/check", modulePath + "/backend/internal/objectname", "github.com/jlaffaye/ftp", "golang.org/x/sync", "golang.org/x/crypto"},
	"backend/memory":              {modulePath + "/backend/internal/check"},
	"backend/s3":                  {modulePath + "/backend/internal/check", modulePath + "/backend/internal/objectname", "github.com/minio/minio-go", "golang.org/x/sync"},
	"backend/swift":               {modulePath + "/backend/internal/check", modulePath + "/backend/internal/objectname", "github.com/gophercloud/gophercloud", "golang.org/x/sync"},
	"metastore/internal/sqlstore": {"github.com/uptrace/bun"},
	"metastore/postgres":          {modulePath + "/metastore/internal/sqlstore", modulePath + "/internal/pgconn", "github.com/uptrace/bun"},
	"metastore/sqlite":            {modulePath + "/metastore/internal/sqlstore", "github.com/uptrace/bun", "modernc.org/sqlite"},
	"notify/local":                {modulePath + "/notify/internal/fanout"},
	"notify/postgres":             {modulePath + "/notify/internal/fanout", modulePath + "/internal/pgconn", "github.com/uptrace/bun"},
}

var testLibraries = []string{"testing", "github.com/stretchr/testify", "go.uber.org/goleak", "pgregory.net/rapid", modulePath + "/internal/conformance", modulePath + "/internal/pgtest", modulePath + "/internal/storagetest"}

var families = []string{"metastore", "notify", "backend"}

func packagePlace(f sourceFile) []string {
	if !f.isGo || f.in(".") || f.in("internal") || f.in("examples") {
		return nil
	}
	if f.dir() == "service" || f.dir() == "backend" || room(f) != "" {
		return nil
	}
	if dirs := strings.Split(f.dir(), "/"); slices.Contains(families, dirs[0]) && (len(dirs) == 2 || len(dirs) == 3 && dirs[1] == "internal") {
		return nil
	}
	return []string{"a package is the root, internal/…, examples/…, backend, service or a room of it (serviceFloors in arch_test.go), " +
		"or metastore/X, notify/X, backend/X or internal/X below one of them"}
}

func rootImports(f sourceFile) []string {
	if f.isTest || !f.in(".") {
		return nil
	}
	return f.importsBut("the root package imports the standard library only, so that a host compiles no back-end it does not pick", everybody...)
}

// serviceFloors are the rooms of the service, the lowest first. A room imports those on the floors
// below its own.
var serviceFloors = [][]string{{"alive"}, {"gather", "session"}, {"content", "hint", "operation"}, {"commit", "grant", "member", "move"}}

// rootless are the rooms that know no types of the root.
var rootless = []string{"alive", "gather"}

const rooms = "service/internal/"

// room returns the name of the room of the service that a file is in; empty for none.
func room(f sourceFile) string {
	name, ok := strings.CutPrefix(f.dir(), rooms)
	if !f.isGo || !ok || !slices.ContainsFunc(serviceFloors, func(floor []string) bool { return slices.Contains(floor, name) }) {
		return ""
	}
	return name
}

func serviceImports(f sourceFile) []string {
	if f.isTest || f.dir() != "service" {
		return nil
	}
	allowed := slices.Concat(everybody, []string{modulePath})
	for _, name := range slices.Concat(serviceFloors...) {
		allowed = append(allowed, modulePath+"/"+rooms+name)
	}
	return f.importsBut("the service knows no store, notifier or back-end", allowed...)
}

func roomImports(f sourceFile) []string {
	name := room(f)
	if f.isTest || name == "" {
		return nil
	}
	allowed := everybody
	if !slices.Contains(rootless, name) {
		allowed = append(slices.Clone(everybody), modulePath)
	}
	if name == "content" {
		allowed = append(allowed, modulePath+"/internal/checked")
	}
	for _, floor := range serviceFloors {
		if slices.Contains(floor, name) {
			break
		}
		for _, below := range floor {
			allowed = append(slices.Clone(allowed), modulePath+"/"+rooms+below)
		}
	}
	return f.importsBut("the room "+name+" imports the root (alive and gather: not even that) and the floors below it", allowed...)
}

func backendImports(f sourceFile) []string {
	if f.isTest || f.forTests() || !f.inFamily() {
		return nil
	}
	allowed := slices.Concat(everybody, []string{modulePath}, drivers[f.dir()])
	return f.importsBut("a back-end imports the root and its driver, never a sibling (a new driver is added to drivers in arch_test.go)", allowed...)
}

func suiteImports(f sourceFile) []string {
	if f.isTest || !f.forTests() || !f.inFamily() {
		return nil
	}
	return f.importsBut("a suite knows no implementation", slices.Concat(everybody, testLibraries, []string{modulePath})...)
}

func testImports(f sourceFile) []string {
	if f.isTest || f.forTests() {
		return nil
	}
	var faults []string
	for _, i := range f.imports {
		suite := strings.HasPrefix(i, modulePath) && strings.HasSuffix(i, "test")
		if suite || slices.ContainsFunc(testLibraries, func(module string) bool { return within(i, module) }) {
			faults = append(faults, "imports "+i+": only tests may")
		}
	}
	return faults
}

func exampleImports(f sourceFile) []string {
	if f.isTest || f.in("examples") {
		return nil
	}
	var faults []string
	for _, i := range f.imports {
		if within(i, modulePath+"/examples") {
			faults = append(faults, "imports "+i+": an example is not a library")
		}
	}
	return faults
}

func packageName(f sourceFile) []string {
	if name := strings.TrimSuffix(f.pkg, "_test"); slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base"}, name) {
		return []string{"package " + name + " says nothing about what it provides"}
	}
	return nil
}

func fileLength(f sourceFile) []string {
	const most = 600
	if lines := strings.Count(f.text, "\n"); f.isGo && !f.generated && lines > most {
		return []string{fmt.Sprintf("has %d lines, which is more than %d: one subject a file", lines, most)}
	}
	return nil
}

func initFunctions(f sourceFile) []string {
	if f.inits == 0 {
		return nil
	}
	return []string{"has an init function: importing a package does nothing"}
}

var misplaced = regexp.MustCompile(`\b(?:TODO|FIXME|XXX)\b|(?:^|[\s"'=(` + "`" + `])/(?:root|home|work|Users)/\w+`)

func misplacedWords(f sourceFile) []string {
	var faults []string
	for i, line := range strings.Split(f.text, "\n") {
		if word := misplaced.FindString(line); word != "" && f.path != "arch_test.go" {
			faults = append(faults, fmt.Sprintf("line %d has %q", i+1, strings.TrimSpace(word)))
		}
	}
	return faults
}

// sourceFile is a text file of the repository; the fields below isGo are those of Go files.
type sourceFile struct {
	path, text string // the path is relative, with slashes
	isGo       bool

	isTest, generated bool
	pkg               string
	imports           []string
	inits             int
}

func (f sourceFile) dir() string        { return path.Dir(f.path) }
func (f sourceFile) in(dir string) bool { return f.isGo && within(f.dir(), dir) }
func (f sourceFile) inFamily() bool     { return slices.ContainsFunc(families, f.in) }
func (f sourceFile) forTests() bool {
	return strings.HasSuffix(f.dir(), "test") || f.in("internal/conformance")
}
func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

// importsBut tells which imports are neither of the standard library nor allowed. An allowed module stands for all its
// packages, but this module for its root only.
func (f sourceFile) importsBut(why string, allowed ...string) []string {
	var faults []string
	for _, i := range f.imports {
		standard := !strings.Contains(strings.Split(i, "/")[0], ".")
		ok := slices.ContainsFunc(allowed, func(module string) bool { return i == module || module != modulePath && within(i, module) })
		if !standard && !ok {
			faults = append(faults, "imports "+i+": "+why)
		}
	}
	return faults
}

func parseSource(name, text string) (sourceFile, error) {
	f := sourceFile{path: name, text: text, isGo: path.Ext(name) == ".go"}
	if !f.isGo {
		return f, nil
	}
	tree, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return f, fmt.Errorf("parse: %w", err)
	}
	f.isTest, f.generated, f.pkg = strings.HasSuffix(name, "_test.go"), ast.IsGenerated(tree), tree.Name.Name
	for _, i := range tree.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return f, fmt.Errorf("unquote an import of %s: %w", name, err)
		}
		f.imports = append(f.imports, imported)
	}
	for _, d := range tree.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			f.inits++
		}
	}
	return f, nil
}

// readTree reads the files that people write, for all operating systems and build tags, and of nested modules too.
func readTree(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	require.NoError(t, filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != "." && base != ".ci" && strings.HasPrefix(base, ".") || base == "testdata" || base == "bin" {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.Contains([]string{".go", ".md", ".yml", ".sql", ".sh", ".mod"}, filepath.Ext(base)) && base != "Makefile" && base != "run" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := parseSource(filepath.ToSlash(name), string(text))
		files = append(files, f)
		return err
	}))
	for _, known := range []string{"sync.go", "go.mod", ".golangci.yml", ".ci/run", "notify/local/local.go"} {
		require.True(t, slices.ContainsFunc(files, func(f sourceFile) bool { return f.path == known }), "%s was not read", known)
	}
	return files
}

// TestArchitectureRulesFindFaults shows that each rule can fail, and where it must not.
func TestArchitectureRulesFindFaults(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\n", 601)
	fixtures := map[string]struct{ good, bad map[string]string }{
		"every package has a place in the design": {
			good: map[string]string{"a.go": "", "internal/x/a.go": "", "notify/nats/a.go": "", "metastore/internal/x/a.go": "", "examples/x/y/a.go": "", "docs/a.md": "", "service/a.go": "", "service/internal/move/a.go": "", "backend/a.go": ""},
			bad:  map[string]string{"cmd/x/a.go": "", "notify/a.go": "", "service/internal/rest/a.go": "", "service/move/a.go": "", "notify/nats/wire/a.go": "", "metastoretest/a.go": ""},
		},
		"the root imports no back-end": {
			good: map[string]string{"a.go": importing("io", "github.com/google/uuid", "golang.org/x/text/cases"), "a_test.go": importing(modulePath + "/notify/local")},
			bad:  map[string]string{"a.go": importing(modulePath + "/notify/local"), "b.go": importing("github.com/uptrace/bun"), "c.go": importing("golang.org/x/textual")},
		},
		"the service imports the root and its own rooms": {
			good: map[string]string{"service/a.go": importing("io", modulePath, modulePath+"/service/internal/move"), "service/a_test.go": importing(modulePath + "/metastore/memory")},
			bad: map[string]string{
				"service/a.go": importing(modulePath + "/metastore/memory"), "service/b.go": importing(modulePath + "/backend"), "service/c.go": importing("github.com/uptrace/bun"),
				"service/d.go": importing(modulePath + "/service/internal/rest"),
			},
		},
		"a room of the service imports those on the floors below": {
			good: map[string]string{
				"service/internal/alive/a.go": importing("context"), "service/internal/gather/a.go": importing(modulePath + "/service/internal/alive"),
				"service/internal/move/a.go":      importing(modulePath, modulePath+"/service/internal/operation", modulePath+"/service/internal/session", modulePath+"/service/internal/alive"),
				"service/internal/move/a_test.go": importing(modulePath + "/service/internal/member"),
			},
			bad: map[string]string{
				"service/internal/alive/a.go": importing(modulePath), "service/internal/gather/a.go": importing(modulePath), "service/internal/session/a.go": importing(modulePath + "/service"),
				"service/internal/gather/b.go":    importing(modulePath + "/service/internal/session"),
				"service/internal/operation/a.go": importing(modulePath + "/service/internal/hint"), "service/internal/operation/b.go": importing(modulePath + "/service/internal/move"),
				"service/internal/move/a.go": importing(modulePath + "/service/internal/member"), "service/internal/hint/a.go": importing(modulePath + "/notify/local"),
			},
		},
		"a back-end imports the root and its driver": {
			good: map[string]string{
				"metastore/sqlite/a.go":     importing(modulePath, modulePath+"/metastore/internal/sqlstore", "modernc.org/sqlite/lib"),
				"notify/local/a_test.go":    importing(modulePath + "/notify/nats"),
				"notify/notifytest/a.go":    importing("github.com/stretchr/testify/require"),
				"examples/quickstart/a.go":  importing(modulePath+"/notify/local", "github.com/fsnotify/fsnotify"),
				"backend/internal/x/a.go":   importing(modulePath),
				"internal/conformance/a.go": importing("testing"),
			},
			bad: map[string]string{
				"notify/nats/a.go":         importing(modulePath + "/notify/local"),
				"notify/nats/b.go":         importing(modulePath + "/metastore/memory"),
				"notify/nats/c_windows.go": importing("github.com/uptrace/bun"),
				"metastore/memory/a.go":    importing(modulePath + "/metastore/internal/sqlstore"),
				"metastore/sqlite/a.go":    importing(modulePath + "/metastore/postgres"),
				"backend/internal/x/a.go":  importing(modulePath + "/backend/dir"),
			},
		},
		"a suite imports no back-end": {
			good: map[string]string{"notify/notifytest/a.go": importing(modulePath, modulePath+"/internal/conformance", "github.com/stretchr/testify/assert"), "notify/notifytest/a_test.go": importing(modulePath + "/notify/local")},
			bad:  map[string]string{"notify/notifytest/a.go": importing(modulePath + "/notify/local"), "backend/backendtest/a.go": importing("github.com/minio/minio-go/v7")},
		},
		"suites and test libraries are imported by tests only": {
			good: map[string]string{"a_test.go": importing("testing", modulePath+"/notify/notifytest"), "notify/notifytest/a.go": importing("testing"), "internal/conformance/a.go": importing("testing")},
			bad: map[string]string{
				"a.go": importing("testing"), "notify/nats/a.go": importing(modulePath + "/notify/notifytest"), "examples/x/a.go": importing("github.com/stretchr/testify/require"),
				"backend/dir/a.go": importing("go.uber.org/goleak"), "internal/x/a.go": importing("pgregory.net/rapid"), "examples/x/b.go": importing(modulePath + "/internal/conformance"),
			},
		},
		"nobody imports an example": {
			good: map[string]string{"examples/x/a.go": importing(modulePath + "/examples/device"), "a_test.go": importing(modulePath + "/examples/device")},
			bad:  map[string]string{"a.go": importing(modulePath + "/examples/device"), "notify/local/a.go": importing(modulePath + "/examples/device")},
		},
		"packages are named after what they provide": {
			good: map[string]string{"a.go": "package stacksync", "internal/x/a.go": "package commonmark"},
			bad:  map[string]string{"internal/x/a.go": "package util", "internal/y/a_test.go": "package helpers_test"},
		},
		"files are short": {
			good: map[string]string{"a.go": "package a" + strings.Repeat("\n", 600), "b.go": "// Code generated by x. DO NOT EDIT.\n\npackage a" + long, "README.md": long},
			bad:  map[string]string{"a.go": "package a" + long, "a_test.go": "package a" + long},
		},
		"there are no init functions": {
			good: map[string]string{"a.go": "package a\nfunc (t T) init() {}\nfunc f() { init := 1; _ = init }"},
			bad:  map[string]string{"a.go": "package a\nfunc init() {}", "a_test.go": "package a\nfunc init() {}"},
		},
		"nothing is left unfinished, no machine is named": {
			good: map[string]string{"a.go": "package a // workspace/home/x, todo", "README.md": "see https://example.com/home/x"},
			bad:  map[string]string{"a.go": "package a // TODO: more", "README.md": "run /home/anna/run", "Makefile": "X=/root/go"},
		},
	}
	for name, cases := range fixtures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(archRules, func(r archRule) bool { return r.name == name })
			require.GreaterOrEqual(t, i, 0, "no rule has this name")
			for path, text := range cases.good {
				require.Empty(t, archRules[i].faults(fakeSource(t, path, text)), path)
			}
			for path, text := range cases.bad {
				require.NotEmpty(t, archRules[i].faults(fakeSource(t, path, text)), path)
			}
		})
	}
	for _, r := range archRules {
		require.Contains(t, fixtures, r.name, "nothing shows that the rule can fail")
	}
}

func importing(paths ...string) string {
	return `package a; import ("` + strings.Join(paths, `"; "`) + `")`
}

func fakeSource(t *testing.T, path, text string) sourceFile {
	t.Helper()
	if text == "" {
		text = "package a"
	}
	f, err := parseSource(path, text)
	require.NoError(t, err, path)
	return f
}
