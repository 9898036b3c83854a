//go:build unix

package proftpd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/stacksync/stacksync-go/internal/missing"
)

const (
	software = "ProFTPD"
	install  = "apt-get install proftpd-core proftpd-mod-crypto, or make services"
)

// modules are where Debian has them.
const modules = "/usr/lib/proftpd"

// Find tells whether a server can be started: nil, or a *[missing.Service].
func Find() error {
	_, err := find()
	return err
}

func find() (string, error) {
	if err := missing.Hidden(software, install); err != nil {
		return "", err
	}
	program, err := exec.LookPath("proftpd")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/proftpd") // not in the PATH of every user
	}
	if err == nil {
		_, err = exec.LookPath("ftpwho")
	}
	for _, m := range []string{"mod_tls", "mod_ifsession", "mod_copy", "mod_site_misc"} {
		if err == nil {
			_, err = os.Stat(filepath.Join(modules, m+".so"))
		}
	}
	if err != nil {
		return "", &missing.Service{Name: software, Detail: err.Error(), Install: install}
	}
	if os.Geteuid() != 0 {
		return "", &missing.Service{
			Name: software, Detail: "only root can have it confine sessions to a folder (DefaultRoot)", Install: "run the tests as root",
		}
	}
	return program, nil
}

// Version returns that of the program, as "1.3.8".
func Version() (string, error) {
	program, err := find()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(program, "--version").CombinedOutput() // ProFTPD Version 1.3.8
	if err != nil {
		return "", fmt.Errorf("ask proftpd for its version: %w", err)
	}
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "ProFTPD Version "), nil
}
