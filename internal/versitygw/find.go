//go:build unix

package versitygw

import (
	"cmp"
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
	program = "versitygw"
	install = "go install github.com/versity/versitygw/cmd/versitygw@v1.8.0, or make services"
)

// Find returns nil if versitygw is installed, else a *[missing.Service].
func Find() error {
	_, err := find()
	return err
}

// find looks in the PATH, then for the newest that .ci/run services has built, then where go install puts programs.
func find() (string, error) {
	if err := missing.Hidden(program, install); err != nil {
		return "", err
	}
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
	return "", &missing.Service{Name: program, Detail: "it is not in the PATH, the cache of .ci/run or GOPATH/bin", Install: install}
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
