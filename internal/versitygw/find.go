//go:build unix

package versitygw

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// ErrNotInstalled is wrapped by the error of Find and Start where there is no versitygw.
var ErrNotInstalled = errors.New("versitygw was not found")

const program = "versitygw"

// Find returns nil if versitygw is installed, else an error that wraps ErrNotInstalled and says how to install it.
func Find() error {
	_, err := find()
	return err
}

// find looks in the PATH, then for the newest that .ci/run services has built, then where go install puts programs.
func find() (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return filepath.Abs(path)
	}
	var places []string
	if cache, err := os.UserCacheDir(); err == nil {
		built, err := filepath.Glob(filepath.Join(cache, "stacksync-go", program+"-*", program))
		if err != nil {
			return "", fmt.Errorf("look for versitygw in %s: %w", cache, err)
		}
		slices.SortStableFunc(built, func(a, b string) int { return slices.Compare(numbers(b), numbers(a)) })
		places = built
	}
	if bin := os.Getenv("GOBIN"); bin != "" {
		places = append(places, filepath.Join(bin, program))
	}
	home, _ := os.UserHomeDir() // without one there is only GOPATH
	for _, folder := range filepath.SplitList(cmp.Or(os.Getenv("GOPATH"), filepath.Join(home, "go"))) {
		places = append(places, filepath.Join(folder, "bin", program))
	}
	for _, place := range places {
		if path, err := exec.LookPath(place); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w in the PATH, the cache of .ci/run or GOPATH/bin; install it with .ci/run services, "+
		"or with go install github.com/versity/versitygw/cmd/versitygw@v1.8.0", ErrNotInstalled)
}

var digits = regexp.MustCompile(`[0-9]+`)

// numbers are those in the name of the folder that a program lies in: 1, 8 and 0 of versitygw-v1.8.0/versitygw.
func numbers(path string) []int {
	var list []int
	for _, d := range digits.FindAllString(filepath.Base(filepath.Dir(path)), -1) {
		n, _ := strconv.Atoi(d)
		list = append(list, n)
	}
	return list
}
