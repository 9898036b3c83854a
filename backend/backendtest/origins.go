package backendtest

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// originChecks are run with Suite.Origins.
var originChecks = []check{
	{Name: "SignedOrigins", Run: signedOrigins},
	{Name: "SignedOriginsBad", Run: signedOriginsBad},
}

// signedOrigins: browsers get leave to send signed requests from pages of the origins that are set, and of no others, also for a container
// that is new.
func signedOrigins(t T, s Suite) {
	const other, foreign = "https://other.example", "https://foreign.example"
	f := newSigning(t, s)
	setter := capability[stacksync.OriginSetter](t, f.StorageProvisioner)
	set := func(container string, origins ...string) {
		f.Helper()
		_, err := setter.SetOrigins(f.Context(), stacksync.SetOriginsParams{Container: container, Origins: origins})
		require.NoError(f, err)
	}
	c := f.container()
	put, get := f.signName(stacksync.Put, c, "chunk"), f.signName(stacksync.Get, c, "chunk")
	for _, origin := range s.Origins {
		f.requireLeave(origin, put, get)
	}
	f.requireNoLeave(foreign, put, get)
	require.True(f, f.send(fromOrigin(put, s.Origins[0]), contentOf("chunk")).stored())
	require.Equal(f, contentOf("chunk"), f.send(fromOrigin(get, s.Origins[0]), "").body)

	set(c, other, s.Origins[0])
	f.requireLeave(other, put, get)
	f.requireLeave(s.Origins[0], put, get)
	f.requireNoLeave(foreign, put, get)
	set(c, other)
	f.requireLeave(other, put, get)
	f.requireNoLeave(s.Origins[0], put, get)
	set(c)
	f.requireNoLeave(other, put, get)
	f.requireNoLeave(s.Origins[0], put, get)
	set(c, s.Origins...)
	f.requireLeave(s.Origins[0], put, get)
	f.requireChunks(c, "chunk")
}

func signedOriginsBad(t T, s Suite) {
	f := newSigning(t, s)
	setter := capability[stacksync.OriginSetter](t, f.StorageProvisioner)
	c := f.container()
	for _, bad := range []string{"", "null", "example.com", "https://example.com/", "https://example.com/page", "https://*.example.com", "https://a https://b", "https://A.example", "https://a\n"} {
		_, err := setter.SetOrigins(f.Context(), stacksync.SetOriginsParams{Container: c, Origins: []string{s.Origins[0], bad}})
		f.requireField(err, "Origins[1]")
	}
	_, err := setter.SetOrigins(f.Context(), stacksync.SetOriginsParams{Container: "A", Origins: s.Origins})
	f.requireField(err, "Container")
	_, err = setter.SetOrigins(f.Context(), stacksync.SetOriginsParams{Container: f.name(), Origins: s.Origins})
	require.ErrorIs(f, err, stacksync.ErrNotFound)
	f.requireLeave(s.Origins[0], f.signName(stacksync.Put, c, "chunk"))
}

// fromOrigin is a request as a page sends it.
func fromOrigin(r stacksync.SignedRequest, origin string) stacksync.SignedRequest {
	r.Header = maps.Clone(r.Header)
	if r.Header == nil {
		r.Header = map[string]string{}
	}
	r.Header["Origin"] = origin
	return r
}

// leave asks as a browser does before it sends a request for a page, and reports whether it would. Content-Type is what a Blob brings.
func (f *signing) leave(origin string, r stacksync.SignedRequest) bool {
	f.Helper()
	wanted := []string{}
	for name := range r.Header {
		if name = strings.ToLower(name); name != "host" && name != "content-length" { // which pages can't set
			wanted = append(wanted, name)
		}
	}
	if r.Method == stacksync.Put {
		wanted = append(wanted, "content-type")
	}
	slices.Sort(wanted)
	req, err := http.NewRequestWithContext(f.Context(), http.MethodOptions, r.URL, http.NoBody)
	require.NoError(f, err)
	req.Header.Set("Origin", origin)
	req.Header.Set("Access-Control-Request-Method", string(r.Method))
	if len(wanted) > 0 {
		req.Header.Set("Access-Control-Request-Headers", strings.Join(wanted, ","))
	}
	res, err := f.client.Do(req)
	require.NoError(f, err)
	defer res.Body.Close()
	ok := res.StatusCode >= 200 && res.StatusCode <= 299
	if allowed := res.Header.Get("Access-Control-Allow-Origin"); !ok || allowed != origin && allowed != "*" {
		return false
	}
	has := func(name, value string) bool {
		for _, list := range res.Header.Values(name) {
			for word := range strings.SplitSeq(list, ",") {
				if word = strings.TrimSpace(word); word == "*" || strings.EqualFold(word, value) {
					return true
				}
			}
		}
		return false
	}
	// A browser asks for no leave for GET, but is told.
	if r.Method != stacksync.Get && !has("Access-Control-Allow-Methods", string(r.Method)) {
		return false
	}
	for _, name := range wanted {
		if !has("Access-Control-Allow-Headers", name) {
			return false
		}
	}
	return true
}

func (f *signing) requireLeave(origin string, requests ...stacksync.SignedRequest) {
	f.Helper()
	for _, r := range requests {
		require.True(f, f.leave(origin, r), "a page of %s gets no leave for %s", origin, r.Method)
	}
}

func (f *signing) requireNoLeave(origin string, requests ...stacksync.SignedRequest) {
	f.Helper()
	for _, r := range requests {
		require.False(f, f.leave(origin, r), "a page of %s gets leave for %s", origin, r.Method)
	}
}
