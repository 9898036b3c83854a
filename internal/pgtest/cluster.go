package pgtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go/internal/certificate"
)

// patience bounds every command. All take about a second, but on a machine that is doing much else.
const patience = time.Minute

// cluster is a server started here: its programs, its private folder, and what it was told.
type cluster struct {
	bin    string
	folder string // of this server alone
	guard  *guard

	mu      sync.Mutex
	port    int
	running bool
}

func (c *cluster) data() string { return filepath.Join(c.folder, "data") }
func (c *cluster) log() string  { return filepath.Join(c.folder, "log") }

// pristine is a copy of the data folder as initdb has made it, if one is kept.
func (c *cluster) pristine() string { return filepath.Join(c.folder, "pristine") }

// start makes a cluster and starts its server.
func start(o Options) (*Server, error) {
	bin, err := findBinaries(binFolders)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, fmt.Errorf("make the server's folder: %w", err)
	}
	c := &cluster{bin: bin, folder: folder}
	s, err := c.create(o)
	if err != nil {
		return nil, errors.Join(err, c.remove())
	}
	return s, nil
}

func (c *cluster) create(o Options) (*Server, error) {
	s := &Server{cluster: c}
	if o.TLS {
		ca, err := certificate.Write(c.folder)
		if err != nil {
			return nil, err
		}
		s.ca, s.caFile = ca, filepath.Join(c.folder, certificate.CAFile)
	}
	if err := giveAway(c.folder); err != nil {
		return nil, err
	}
	if err := c.makeData(o); err != nil {
		return nil, err
	}
	if err := c.configure(o); err != nil {
		return nil, err
	}
	var err error
	if c.guard, err = newGuard(c); err != nil {
		return nil, fmt.Errorf("start the server's guard: %w", err)
	}
	if err := c.startSomewhere(); err != nil {
		return nil, err
	}
	mode := url.Values{"sslmode": {"disable"}}
	if o.TLS {
		mode = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {s.caFile}}
	}
	s.dsn = &url.URL{
		Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: mode.Encode(),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)),
	}
	return s, nil
}

// makeData makes the data folder: a copy of one, or by initdb, which takes six times as long.
func (c *cluster) makeData(o Options) error {
	if o.pristine != "" {
		return copyData(c.data(), o.pristine)
	}
	if err := c.init(); err != nil || !o.keepPristine {
		return err
	}
	return copyData(c.pristine(), c.data())
}

func copyData(to, from string) error {
	err := os.CopyFS(to, os.DirFS(from))
	if err == nil {
		err = os.Chmod(to, 0o700) // as the server wants it
	}
	if err == nil {
		err = giveAway(to)
	}
	if err != nil {
		return fmt.Errorf("copy the data folder of a new server: %w", err)
	}
	return nil
}

// init lets initdb make the data folder. Servers before 15, and some builds, have no ICU for the whole database.
func (c *cluster) init() error {
	common := []string{"-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"}
	if c.run("initdb", append(common, "--locale-provider=icu", "--icu-locale=en")...) == nil {
		return nil
	}
	return c.run("initdb", common...)
}

func (c *cluster) configure(o Options) error {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": "", // their paths are limited to 107 bytes
		"max_connections":         "200",
		"log_destination":         "stderr",
		"logging_collector":       "off",
		"lc_messages":             "C",
	}
	if !o.Durable {
		settings["fsync"], settings["full_page_writes"] = "off", "off"
	}
	if o.TLS {
		settings["ssl"], settings["ssl_cert_file"], settings["ssl_key_file"] = "on", filepath.Join(c.folder, certificate.ServerFile), filepath.Join(c.folder, certificate.KeyFile)
		if err := os.WriteFile(filepath.Join(c.data(), "pg_hba.conf"), []byte("hostssl all all 127.0.0.1/32 trust\n"), 0o600); err != nil {
			return fmt.Errorf("configure who may connect: %w", err)
		}
	}
	maps.Copy(settings, o.Settings)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s = '%s'\n", name, strings.NewReplacer("'", "''", `\`, `\\`).Replace(settings[name]))
	}
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("configure the server: %w", err)
	}
	_, err = f.WriteString("\n" + text.String()) // of a parameter given twice, the last counts
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("configure the server: %w", err)
	}
	return nil
}

// startSomewhere starts the server on a free port. Another process may take it first; then there are others.
func (c *cluster) startSomewhere() error {
	var err error
	for range 5 {
		if c.port, err = freePort(); err != nil {
			return err
		}
		if err = c.start(); err == nil || !strings.Contains(err.Error(), "could not bind") {
			return err
		}
	}
	return err
}

// freePort finds a port below those that systems give to outgoing connections (Linux: from 32768). One of theirs could
// be taken while the server is down, and a client that tries to reach it then can even connect to itself.
func freePort() (int, error) {
	const first, number = 20000, 12000
	var err error
	for range 100 {
		port := first + rand.IntN(number)
		l, listenErr := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err = listenErr; err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port for the server: %w", err)
}

// start starts the server and waits until it answers.
func (c *cluster) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.run("pg_ctl", "start", "-D", c.data(), "-w", "-t", seconds(patience), "-s", "-l", c.log(), "-o", "-p "+strconv.Itoa(c.port))
	if err != nil {
		err = fmt.Errorf("%w; the server's log ends so:\n%s", err, c.logTail())
		_ = c.run("pg_ctl", "stop", "-D", c.data(), "-s", "-m", "immediate") // one that was only slow; most often there is none
		return err
	}
	c.running = true
	return nil
}

// stop stops the server, if it runs, in one of pg_ctl's modes and waits for its end.
func (c *cluster) stop(mode string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		return nil
	}
	if err := c.run("pg_ctl", "stop", "-D", c.data(), "-w", "-t", seconds(patience), "-s", "-m", mode); err != nil {
		return fmt.Errorf("%w; the server's log ends so:\n%s", err, c.logTail())
	}
	c.running = false
	return nil
}

func (c *cluster) isRunning() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

// remove stops the server and leaves nothing of it. The guard acts on what could not be done here.
func (c *cluster) remove() error {
	if err := c.stop("immediate"); err != nil {
		return errors.Join(err, c.guard.fire())
	}
	if err := os.RemoveAll(c.folder); err != nil {
		return errors.Join(fmt.Errorf("remove the server's folder: %w", err), c.guard.fire())
	}
	return c.guard.dismiss()
}

// run runs one of the server's programs, and tells what it said if it failed.
func (c *cluster) run(program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, program), args...)
	if err := c.prepare(cmd); err != nil {
		return err
	}
	cmd.WaitDelay = 10 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// prepare makes the command run as the server does: as its user, in its folder (the user may not see the present one),
// and with no setting of the environment's.
func (c *cluster) prepare(cmd *exec.Cmd) error {
	cmd.Dir = c.folder
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PG") }), "LC_ALL=C")
	return asServerUser(cmd)
}

func (c *cluster) logTail() string {
	const most = 8 << 10
	text, err := os.ReadFile(c.log())
	if err != nil {
		return err.Error()
	}
	if len(text) > most {
		text = append([]byte("... "), text[len(text)-most:]...)
	}
	return string(text)
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }
