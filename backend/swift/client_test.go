//go:build unix

package swift_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/backendtest"
)

// client is what a device has: HTTP, and what Locate says. It logs in when it is first used.
type client struct {
	http     http.Client
	login    string
	secret   stacksync.Secret
	settings map[string]string
	token    string
}

func dial(t backendtest.T, login string, secret stacksync.Secret, at stacksync.Location) backendtest.Client {
	transport := &http.Transport{DisableKeepAlives: true} // the test server can answer a login late on a connection that it closes
	t.Cleanup(transport.CloseIdleConnections)
	return &client{http: http.Client{Transport: transport}, login: login, secret: secret, settings: at.Settings}
}

func (c *client) logIn(ctx context.Context) error {
	type m = map[string]any
	s := c.settings
	text, err := json.Marshal(m{"auth": m{
		"identity": m{"methods": []string{"password"}, "password": m{"user": m{"name": c.login, "password": c.secret, "domain": m{"name": s["user_domain"]}}}},
		"scope":    m{"project": m{"name": s["project"], "domain": m{"name": s["project_domain"]}}},
	}})
	if err != nil {
		return err
	}
	_, header, err := c.send(ctx, http.MethodPost, s["auth_url"]+"/auth/tokens", text, "application/json")
	c.token = header.Get("X-Subject-Token")
	return err
}

func (c *client) do(ctx context.Context, method, path string, content []byte, header ...string) ([]byte, error) {
	if c.token == "" {
		if err := c.logIn(ctx); err != nil {
			return nil, err
		}
	}
	body, _, err := c.send(ctx, method, c.settings["storage_url"]+"/"+c.settings["container"]+path, content, "application/octet-stream", header...)
	return body, err
}

// send sends a request with these headers, each a name and a value.
func (c *client) send(ctx context.Context, method, to string, content []byte, media string, header ...string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(content))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", media)
	if c.token != "" {
		req.Header.Set("X-Auth-Token", c.token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return nil, nil, err
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return nil, nil, fmt.Errorf("%w: %s", backendtest.ErrDenied, res.Status)
	case res.StatusCode >= http.StatusMultipleChoices:
		return nil, nil, fmt.Errorf("%s: %s", method, res.Status)
	}
	return text, res.Header, nil
}

func (c *client) Get(ctx context.Context, object string) ([]byte, error) {
	return c.do(ctx, http.MethodGet, "/"+object, nil)
}

func (c *client) Put(ctx context.Context, object string, content []byte) error {
	_, err := c.do(ctx, http.MethodPut, (&url.URL{Path: "/" + object}).EscapedPath(), content)
	return err
}

func (c *client) Delete(ctx context.Context, object string) error {
	_, err := c.do(ctx, http.MethodDelete, "/"+object, nil)
	return err
}

func (c *client) List(ctx context.Context) ([]string, error) {
	var all []string
	for {
		query := ""
		if len(all) > 0 {
			query = "?marker=" + url.QueryEscape(all[len(all)-1])
		}
		text, err := c.do(ctx, http.MethodGet, query, nil)
		if err != nil {
			return nil, err
		}
		page := strings.Fields(string(text))
		if len(page) == 0 {
			return all, nil
		}
		all = append(all, page...)
	}
}
