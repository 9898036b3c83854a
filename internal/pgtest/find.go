package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

var errNotInstalled = errors.New("no PostgreSQL server was found")

// binFolders are where packages put the server's programs, which Debian's and Red Hat's keep out of the PATH.
var binFolders = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
}

// findBinaries returns the folder of pg_ctl, initdb and postgres: that of STACKSYNC_TEST_POSTGRES_BIN where set, else the PATH's, else the
// newest of the given patterns.
func findBinaries(patterns []string) (string, error) {
	if folder := os.Getenv(EnvBin); folder != "" {
		if !complete(folder) {
			return "", fmt.Errorf("%s is %s, which does not have pg_ctl, initdb and postgres", EnvBin, folder)
		}
		return folder, nil
	}
	var folders []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("look for PostgreSQL in %s: %w", pattern, err)
		}
		folders = append(folders, found...)
	}
	slices.SortStableFunc(folders, func(a, b string) int { return slices.Compare(version(b), version(a)) })
	if path, err := exec.LookPath("pg_ctl"); err == nil {
		// Programs linked into the PATH one by one: the others are beside the real one.
		if path, err = filepath.EvalSymlinks(path); err == nil {
			folders = slices.Insert(folders, 0, filepath.Dir(path))
		}
	}
	for _, folder := range folders {
		if complete(folder) {
			return folder, nil
		}
	}
	return "", fmt.Errorf("%w: neither is %s set, nor are pg_ctl, initdb and postgres in the PATH or in one of %q; "+
		"install it (Debian: apt-get install postgresql; here: .ci/run services), or set %s", errNotInstalled, EnvDSN, patterns, EnvDSN)
}

func complete(folder string) bool {
	for _, program := range []string{"pg_ctl", "initdb", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(folder, program)); err != nil {
			return false
		}
	}
	return true
}

var digits = regexp.MustCompile(`[0-9]+`)

// version tells the numbers in the name of the folder: 9.6 of /usr/lib/postgresql/9.6/bin.
func version(folder string) []int {
	var numbers []int
	for _, d := range digits.FindAllString(folder, -1) {
		n, _ := strconv.Atoi(d)
		numbers = append(numbers, n)
	}
	return numbers
}
