//go:build unix

package proftpd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNotInstalled says that there is no server to start here.
var ErrNotInstalled = errors.New("no ProFTPD server was found")

// modules are where Debian has them.
const modules = "/usr/lib/proftpd"

// Find tells whether a server can be started: nil, or an error that wraps ErrNotInstalled and says what to do.
func Find() error {
	_, err := find()
	return err
}

func find() (string, error) {
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
		return "", fmt.Errorf("%w: %w; install it (Debian: apt-get install proftpd-core proftpd-mod-crypto; here: .ci/run services)", ErrNotInstalled, err)
	}
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("%w that this user can start: it has to be root to confine sessions to a folder (DefaultRoot)", ErrNotInstalled)
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
