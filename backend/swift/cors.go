package swift

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// The headers of a container by which Swift answers browsers. Without the first, a preflight is refused with 401.
const (
	originHeader = "X-Container-Meta-Access-Control-Allow-Origin"
	maxAgeHeader = "X-Container-Meta-Access-Control-Max-Age"
	exposeHeader = "X-Container-Meta-Access-Control-Expose-Headers"
)

// originsOf returns the headers that let pages of these origins send requests; empty ones remove what is there.
func originsOf(origins []string) map[string]string {
	if len(origins) == 0 {
		return map[string]string{originHeader: "", maxAgeHeader: "", exposeHeader: ""}
	}
	return map[string]string{originHeader: strings.Join(origins, " "), maxAgeHeader: "3600", exposeHeader: "Etag Retry-After"}
}

// settings are the headers that each container is to have: its keys, and what the configuration says of origins. They are nil for none.
func (s *Storage) settings(container string) map[string]string {
	header := s.keys.header(container)
	if len(s.cfg.Origins) == 0 {
		return header
	}
	if header == nil {
		header = map[string]string{}
	}
	for name, value := range originsOf(s.cfg.Origins) {
		header[name] = value
	}
	return header
}

// SetOrigins implements stacksync.OriginSetter. A proxy without a shared memcached may go by the former origins for a minute
// (recheck_container_existence).
func (g *signer) SetOrigins(ctx context.Context, p stacksync.SetOriginsParams) (stacksync.SetOriginsResult, error) {
	err := check.SetOrigins(ctx, p)
	if err == nil {
		_, err = g.s.do(ctx, request{
			method: http.MethodPost, container: g.s.container(p.Container), header: originsOf(p.Origins),
			ok: []int{http.StatusCreated, http.StatusAccepted, http.StatusNoContent},
		})
	}
	if isStatus(err, http.StatusNotFound) {
		err = missingContainer(p.Container)
	}
	if err != nil {
		return stacksync.SetOriginsResult{}, fmt.Errorf("set the origins of container %.63q: %w", p.Container, err)
	}
	return stacksync.SetOriginsResult{}, nil
}

var _ stacksync.OriginSetter = (*signer)(nil)
