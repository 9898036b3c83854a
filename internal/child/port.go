//go:build unix

package child

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
)

// Ports are below those that systems give to clients and to whoever listens on port 0 (Linux: from 32768): one of theirs could be taken
// before a server has started, or while it is stopped. internal/pgtest has the ports above these.
const firstPort, numberOfPorts = 10000, 10000

// Processes begin at different ports, and have no port twice.
var (
	portOffset = rand.IntN(numberOfPorts)
	portsTried atomic.Int64
)

// FreePort returns a port of 127.0.0.1 that nobody listens on at the moment.
func FreePort() (int, error) {
	var err error
	for range 100 {
		port := firstPort + (portOffset+int(portsTried.Add(1)))%numberOfPorts
		l, listenErr := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err = listenErr; err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

// OnFreePort starts a server on a free port, and on another one where somebody has taken that meanwhile.
func OnFreePort(start func(port int) error) error {
	var err error
	for range 5 {
		port, portErr := FreePort()
		if portErr != nil {
			return portErr
		}
		if err = start(port); err == nil || !InUse(err) {
			return err
		}
	}
	return err
}

// InUse tells from the error of a server, which has the end of its log, that its port is taken.
func InUse(err error) bool { return err != nil && strings.Contains(err.Error(), "in use") }
