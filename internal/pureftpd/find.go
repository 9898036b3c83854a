//go:build unix

package pureftpd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/stacksync/stacksync-go/internal/missing"
)

const (
	software = "Pure-FTPd"
	install  = "apt-get install pure-ftpd, or beside ProFTPD: make services"
)

// unpacked is where .ci/run unpacks Debian's packages, below the user's folder for caches: they can't be installed beside ProFTPD's.
const unpacked = "stacksync-go/ftp-servers"

// programs are those of Pure-FTPd.
type programs struct{ server, users string }

// Find tells whether a server can be started: nil, or a *[missing.Service].
func Find() error {
	_, err := find()
	return err
}

func find() (p programs, err error) {
	if err := missing.Hidden(software, install); err != nil {
		return p, err
	}
	for name, to := range map[string]*string{"sbin/pure-ftpd": &p.server, "bin/pure-pw": &p.users} {
		if *to, err = look(name); err != nil {
			return p, &missing.Service{Name: software, Detail: err.Error(), Install: install}
		}
	}
	if os.Geteuid() != 0 {
		return p, &missing.Service{Name: software, Detail: "only root can have it confine sessions to a folder", Install: "run the tests as root"}
	}
	return p, nil
}

// look finds a program that is installed, or unpacked.
func look(name string) (string, error) {
	program, err := exec.LookPath(filepath.Base(name))
	if err == nil {
		return program, nil
	}
	folders := []string{"/usr"}
	if cache, err := os.UserCacheDir(); err == nil {
		folders = append(folders, filepath.Join(cache, unpacked, "usr"))
	}
	for _, folder := range folders {
		if program, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return program, nil
		}
	}
	return "", err
}

// Version returns that of the program, as "1.0.50".
func Version() (string, error) {
	p, err := find()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(p.server, "--help").CombinedOutput() // pure-ftpd v1.0.50 [privsep]
	text, _, _ := strings.Cut(strings.TrimPrefix(string(out), "pure-ftpd v"), " ")
	if err != nil {
		return "", fmt.Errorf("ask pure-ftpd for its version: %w", err)
	}
	return text, nil
}
