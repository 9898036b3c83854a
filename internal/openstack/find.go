//go:build unix

package openstack

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go/internal/missing"
)

const (
	service = "OpenStack Swift with Keystone"
	install = "make services, which gets Swift, Keystone, memcached and uWSGI"
)

// swiftConf holds the salt of Swift's hashes. Its path is fixed in Swift; as Debian ships it, it will do.
const swiftConf = "/etc/swift/swift.conf"

func programs() []string {
	return []string{
		"swift-proxy-server", "swift-account-server", "swift-container-server", "swift-object-server",
		"memcached", "uwsgi", "keystone-manage", "keystone-wsgi-public",
	}
}

// Find returns nil if what the server is made of is installed, else a *[missing.Service].
func Find() error {
	if err := missing.Hidden(service, install); err != nil {
		return err
	}
	var absent []string
	for _, program := range programs() {
		if _, err := exec.LookPath(program); err != nil {
			absent = append(absent, program)
		}
	}
	if f, err := os.Open(swiftConf); err != nil {
		absent = append(absent, swiftConf)
	} else if err := f.Close(); err != nil {
		return err
	}
	if absent == nil {
		return nil
	}
	return &missing.Service{Name: service, Detail: "there is no " + strings.Join(absent, ", "), Install: install}
}

// Version tells which Swift and which Keystone are installed.
func Version(ctx context.Context) (string, error) {
	if err := Find(); err != nil {
		return "", err
	}
	cmd, err := python(ctx, "-c", `import importlib.metadata as m; print("Swift", m.version("swift"), "Keystone", m.version("keystone"))`)
	if err != nil {
		return "", err
	}
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask for the version of Swift: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// python runs the interpreter that has Keystone and Swift, which need not be the first of the PATH: that of Keystone's own program.
func python(ctx context.Context, args ...string) (*exec.Cmd, error) {
	program, err := exec.LookPath("keystone-manage")
	if err != nil {
		return nil, fmt.Errorf("find the Python of Keystone: %w", err)
	}
	f, err := os.Open(program)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", program, err)
	}
	interpreter, ok := strings.CutPrefix(line, "#!")
	if !ok {
		return nil, fmt.Errorf("%s is no script", program)
	}
	words := slices.Concat(strings.Fields(interpreter), args)
	return exec.CommandContext(ctx, words[0], words[1:]...), nil
}
