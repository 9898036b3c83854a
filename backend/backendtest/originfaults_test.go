package backendtest

import (
	"context"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
	params "github.com/stacksync/stacksync-go/backend/internal/check"
)

// cloudOrigins are those that the fake is configured with.
var cloudOrigins = []string{"https://app.example.com", "http://localhost:8080"}

func (o *objects) setOrigins(ctx context.Context, p stacksync.SetOriginsParams) (stacksync.SetOriginsResult, error) {
	if err := params.SetOrigins(ctx, p); err != nil {
		return stacksync.SetOriginsResult{}, err
	}
	// Copying nothing to a container tells whether it is there.
	if _, err := o.storage.CopyChunks(ctx, stacksync.CopyChunksParams{From: p.Container, To: p.Container}); err != nil {
		return stacksync.SetOriginsResult{}, err
	}
	o.allow(p.Container, p.Origins)
	return stacksync.SetOriginsResult{}, nil
}

func (o *objects) allow(container string, origins []string) {
	o.ruling.Lock()
	defer o.ruling.Unlock()
	o.origins[container] = slices.Clone(origins)
}

// leaveFor returns what an answer to a browser says.
func (o *objects) leaveFor(container, origin string) (origins, methods, headers string) {
	o.ruling.Lock()
	defer o.ruling.Unlock()
	if !slices.Contains(o.origins[container], origin) {
		return "", "", ""
	}
	return origin, "GET, PUT", strings.Join([]string{sizeHeader, "Content-Type"}, ", ")
}

type setOriginsCall = call[stacksync.SetOriginsParams, stacksync.SetOriginsResult]

// originMutants give browsers too much leave, or too little.
var originMutants = map[string]cloudMutant{
	"new containers let no page in": {caught: []string{"SignedOrigins"}, change: func(c *cloud) {
		after(&c.create, func(p stacksync.CreateContainerParams, _ *stacksync.CreateContainerResult) {
			c.objects.allow(p.Container, nil)
		})
	}},
	"every page is let in": leaves(func(origin string, _, methods, headers string) (string, string, string) { return "*", "GET, PUT", "*" }),
	"every page that asks is let in": leaves(func(origin string, _, methods, headers string) (string, string, string) {
		return origin, "GET, PUT", "*"
	}),
	"pages may only get": leaves(func(_ string, origins, _, headers string) (string, string, string) { return origins, "GET", headers }),
	"Blobs have no type": leaves(func(_ string, origins, methods, headers string) (string, string, string) {
		return origins, methods, strings.TrimSuffix(headers, ", Content-Type")
	}),
	"the request's own headers are forgotten": leaves(func(_ string, origins, methods, _ string) (string, string, string) {
		return origins, methods, "Content-Type"
	}),
	"origins are only added": {caught: []string{"SignedOrigins"}, change: func(c *cloud) {
		before(&c.setOrigins, func(p *stacksync.SetOriginsParams) {
			c.objects.ruling.Lock()
			defer c.objects.ruling.Unlock()
			p.Origins = append(slices.Clone(p.Origins), c.objects.origins[p.Container]...)
		})
	}},
	"bad origins are passed over": {caught: []string{"SignedOriginsBad"}, change: func(c *cloud) {
		before(&c.setOrigins, func(p *stacksync.SetOriginsParams) {
			p.Origins = slices.DeleteFunc(slices.Clone(p.Origins), func(o string) bool { return params.Origins("", []string{o}) != nil })
		})
	}},
	"a missing container has origins": {caught: []string{"SignedOriginsBad"}, change: func(c *cloud) {
		around(&c.setOrigins, func(ctx context.Context, next setOriginsCall, p stacksync.SetOriginsParams) (stacksync.SetOriginsResult, error) {
			if err := params.SetOrigins(ctx, p); err != nil {
				return stacksync.SetOriginsResult{}, err
			}
			_, _ = next(ctx, p)
			return stacksync.SetOriginsResult{}, nil
		})
	}},
}

// leaves returns a mutant that changes what an answer to a browser says.
func leaves(change func(origin, origins, methods, headers string) (string, string, string)) cloudMutant {
	return cloudMutant{caught: []string{"SignedOrigins"}, change: func(c *cloud) {
		next := c.objects.leave
		c.objects.leave = func(container, origin string) (string, string, string) {
			origins, methods, headers := next(container, origin)
			return change(origin, origins, methods, headers)
		}
	}}
}
