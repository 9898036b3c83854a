package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/stacksync/stacksync-go/internal/missing"
)

const (
	software = "PostgreSQL"
	howToGet = "apt-get install postgresql, or make services, or set " + EnvDSN
)

// binFolders are where packages put the server's programs, which Debian's and Red Hat's keep out of the PATH.
var binFolders = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
}

// findBinaries returns the folder of pg_ctl, initdb and postgres: that of STACKSYNC_TEST_POSTGRES_BIN where set, else the
// PATH's, else the newest of the given patterns. Where there is none the error is a *[missing.Service].
func findBinaries(patterns []string) (string, error) {
	if err := missing.Hidden(software, howToGet); err != nil {
		return "", err
	}
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
	return "", &missing.Service{
		Name: software, Detail: fmt.Sprintf("pg_ctl, initdb and postgres are neither in the PATH nor in one of %q", patterns), Install: howToGet,
	}
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
