package backendtest

import (
	"maps"
	"net/url"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// signedMethods: a request is good for what it was signed for, and nothing else.
func signedMethods(t T, s Suite) {
	f := newSigning(t, s)
	c, empty := f.container(), f.container()
	f.put(c, "chunk")
	get, put := f.signName(stacksync.Get, c, "chunk"), f.signName(stacksync.Put, c, "chunk")
	as := func(r stacksync.SignedRequest, method stacksync.Method) stacksync.SignedRequest {
		r.Method = method
		return r
	}
	f.requireDownload(get, contentOf("chunk"))
	f.sendRefused(as(put, stacksync.Get), "", "a put sent as a get")
	for _, method := range []stacksync.Method{"DELETE", "POST"} {
		f.sendRefused(as(get, method), "", "a get sent as "+string(method))
		f.sendRefused(as(put, method), "", "a put sent as "+string(method))
	}
	f.sendRefused(as(get, stacksync.Put), strings.ToUpper(contentOf("chunk")), "a get sent as a put")
	f.requireChunks(c, "chunk")
	f.sendRefused(as(f.signName(stacksync.Get, empty, "chunk"), stacksync.Put), contentOf("chunk"), "a get of a missing chunk sent as a put")
	f.requireNothing(empty, "chunk")
}

func signedGetAltered(t T, s Suite) {
	f := newSigning(t, s)
	a, b := f.container(), f.container()
	f.put(a, "chunk", "other")
	f.put(b, "chunk", "other")
	r := f.signName(stacksync.Get, a, "chunk")
	for what, altered := range f.alterations(r, f.signName(stacksync.Get, a, "other"), f.signName(stacksync.Get, b, "chunk")) {
		f.sendRefused(altered, "", what)
	}
	f.requireDownload(r, contentOf("chunk"))
}

func signedPutAltered(t T, s Suite) {
	f := newSigning(t, s)
	a, b := f.container(), f.container()
	r := f.signName(stacksync.Put, a, "chunk")
	for what, altered := range f.alterations(r, f.signName(stacksync.Put, a, "other"), f.signName(stacksync.Put, b, "chunk")) {
		f.sendRefused(altered, contentOf("chunk"), what)
		require.Empty(f, f.stat(a, "chunk", "other"), what)
		require.Empty(f, f.stat(b, "chunk", "other"), what)
	}
	f.requireNothing(a, "chunk")
	f.requireNothing(b, "chunk")
	f.upload(r, contentOf("chunk"))
	f.requireChunks(a, "chunk")
}

// alterations returns what an intruder can make of a request, by what it is: another target, each parameter and header with another
// value, and without it. other and foreign are requests for another chunk and for another container.
func (f *signing) alterations(r, other, foreign stacksync.SignedRequest) map[string]stacksync.SignedRequest {
	f.Helper()
	parse := func(r stacksync.SignedRequest) *url.URL {
		u, err := url.Parse(r.URL)
		require.NoError(f, err)
		return u
	}
	all := map[string]stacksync.SignedRequest{}
	add := func(what string, change func(u *url.URL, header map[string]string)) {
		u, header := parse(r), maps.Clone(r.Header)
		change(u, header)
		if altered := (stacksync.SignedRequest{Method: r.Method, URL: u.String(), Header: header}); altered.URL != r.URL || !maps.Equal(header, r.Header) {
			all[what] = altered
		}
	}
	for what, target := range map[string]stacksync.SignedRequest{"to another chunk": other, "to another container": foreign} {
		add(what, func(u *url.URL, _ map[string]string) {
			to := parse(target)
			u.Host, u.Path, u.RawPath = to.Host, to.Path, to.RawPath
		})
	}
	query := parse(r).Query()
	for name := range query {
		add("with another "+name, func(u *url.URL, _ map[string]string) { u.RawQuery = with(query, name, alter(query.Get(name))) })
		add("without "+name, func(u *url.URL, _ map[string]string) { u.RawQuery = with(query, name) })
	}
	add("without parameters", func(u *url.URL, _ map[string]string) { u.RawQuery = "" })
	for name, value := range r.Header {
		if strings.EqualFold(name, "Host") || strings.EqualFold(name, "Content-Length") { // net/http sends those that the target and the content have
			continue
		}
		add("with another "+name, func(_ *url.URL, header map[string]string) { header[name] = alter(value) })
		add("without "+name, func(_ *url.URL, header map[string]string) { delete(header, name) })
	}
	require.NotEmpty(f, all, "nothing of the request can be altered: %d headers, %d parameters", len(r.Header), len(query))
	return all
}

// with returns a query in which a parameter has other values, or none.
func with(query url.Values, name string, values ...string) string {
	query = maps.Clone(query)
	query[name] = values
	return query.Encode()
}

// alter changes the middle of a value: a number stays one, and becomes larger if it can.
func alter(value string) string {
	if value == "" {
		return "1"
	}
	b := []byte(value)
	middle := len(b) / 2
	for middle > 0 && b[middle] == '9' { // else a time would become an earlier one, which is refused for that
		middle--
	}
	switch c := &b[middle]; {
	case '0' <= *c && *c <= '8':
		*c++
	case *c == '9':
		*c = '8'
	case *c == 'a':
		*c = 'b'
	default:
		*c = 'a'
	}
	return string(b)
}

// signedPutCopiesNothing: headers that are not signed, but which object stores know, don't bring a chunk that the client has no
// request for, or make a chunk of it.
func signedPutCopiesNothing(t T, s Suite) {
	f := newSigning(t, s)
	a, b := f.container(), f.container()
	f.put(b, "secret")
	source, err := url.Parse(f.signName(stacksync.Get, b, "secret").URL)
	require.NoError(f, err)
	parts := strings.Split(strings.Trim(source.EscapedPath(), "/"), "/")
	headers := []string{"X-Amz-Copy-Source", "X-Copy-From", "X-Object-Manifest", "X-Symlink-Target"}
	var paths []string // from that of the whole URL to that of the object: which part is the container's only the storage knows
	for i := range parts {
		paths = append(paths, strings.Join(parts[i:], "/"))
	}
	n := names("copied", len(headers)*len(paths))
	puts, gets := f.sign(stacksync.Put, a, emptyChunks(n)...), f.sign(stacksync.Get, a, emptyChunks(n)...)
	for i := range n {
		header, path := headers[i%len(headers)], paths[i/len(headers)]
		r := puts[i]
		r.Header = maps.Clone(r.Header)
		if r.Header == nil {
			r.Header = map[string]string{}
		}
		r.Header[header] = path
		f.Logf("%s: %s", header, f.send(r, ""))
		require.NotContains(f, f.send(gets[i], "").body, contentOf("secret"), header)
	}
	for name, size := range f.stat(a, n...) {
		require.Zero(f, size, "%q has content that nobody sent", name)
	}
	f.requireChunks(b, "secret")
}

func emptyChunks(names []string) []stacksync.Chunk {
	chunks := make([]stacksync.Chunk, len(names))
	for i, name := range names {
		chunks[i].Name = name
	}
	return chunks
}
