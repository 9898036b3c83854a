//go:build unix

package openstack

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/stacksync/stacksync-go/internal/child"
)

// SecondProxy starts another proxy of Swift, with a memcached of its own, so that it does not hear at
// once of what the first one changes. It returns the URL of Project's account there. Both run until
// Close. It is called once.
func (s *Server) SecondProxy(ctx context.Context) (storageURL string, err error) {
	c := s.conf
	for _, port := range []*int{&c.Proxy, &c.Memcached} {
		if *port, err = child.FreePort(); err != nil {
			return "", fmt.Errorf("find a free port: %w", err)
		}
	}
	if err := c.execute("second.conf", "proxy.conf", c); err != nil {
		return "", err
	}
	other := Server{conf: c}
	cache, err := other.command(memcached)
	if err != nil {
		return "", err
	}
	program, err := exec.LookPath("swift-proxy-server")
	if err != nil {
		return "", err
	}
	swift, err := python(context.Background(), "-c", runScript, program, c.file("second.conf"), "-v")
	if err != nil {
		return "", err
	}
	if _, err := s.group.Start("memcached-second", cache); err != nil {
		return "", err
	}
	process, err := s.group.Start("proxy-second", swift)
	if err != nil {
		return "", err
	}
	at := fmt.Sprintf("http://127.0.0.1:%d", c.Proxy)
	if err := process.Ready(patience, func() error { return answers(ctx, at+"/healthcheck") }); err != nil {
		return "", err
	}
	return strings.Replace(s.StorageURL, fmt.Sprintf("http://127.0.0.1:%d", s.conf.Proxy), at, 1), nil
}
