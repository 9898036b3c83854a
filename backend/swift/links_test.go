//go:build unix

package swift_test

import (
	"context"
	"crypto/md5" //nolint:gosec // Swift's own check of content
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/swift"
)

// The kinds of objects that have their content elsewhere, and of copies.
const (
	dynamicLarge = "dynamic large object"
	dynamicLater = "dynamic large object, made so by a POST"
	staticLarge  = "static large object"
	staticChain  = "static large object of a link"
	symlink      = "symbolic link"
	symlinkChain = "symbolic link to a link"
	symlinkEtag  = "symbolic link to a version of the content"
	serverCopy   = "copy by the server"
	byCOPY       = "copy by COPY"
)

// Kinds implements backendtest.Linker.
func (*client) Kinds() []string {
	return []string{dynamicLarge, dynamicLater, staticLarge, staticChain, symlink, symlinkChain, symlinkEtag, serverCopy, byCOPY}
}

// Link implements backendtest.Linker.
func (c *client) Link(ctx context.Context, kind, object string, from stacksync.Location, target string) error {
	to := from.Settings["container"] + "/" + target
	put := func(path, content string, header ...string) error {
		_, err := c.do(ctx, http.MethodPut, "/"+path, []byte(content), header...)
		return err
	}
	static := func(object, path string) error {
		text, err := json.Marshal([]map[string]any{{"path": "/" + path}})
		if err != nil {
			return err
		}
		return put(object+"?multipart-manifest=put", string(text))
	}
	switch kind {
	case dynamicLarge:
		return put(object, "raw", "X-Object-Manifest", to)
	case dynamicLater:
		if err := put(object, "raw"); err != nil {
			return err
		}
		_, err := c.do(ctx, http.MethodPost, "/"+object, nil, "X-Object-Manifest", to)
		return err
	case staticLarge:
		return static(object, to)
	case staticChain:
		if err := put("FOREIGN", "", "X-Symlink-Target", to); err != nil {
			return err
		}
		return static(object, c.settings["container"]+"/FOREIGN")
	case symlink:
		return put(object, "", "X-Symlink-Target", to)
	case symlinkChain:
		if err := put("FOREIGN", "", "X-Symlink-Target", to); err != nil {
			return err
		}
		return put(object, "", "X-Symlink-Target", c.settings["container"]+"/FOREIGN")
	case symlinkEtag:
		text, err := c.do(ctx, http.MethodGet, "/"+target, nil)
		if err != nil {
			return err
		}
		sum := md5.Sum(text) //nolint:gosec // as above
		return put(object, "", "X-Symlink-Target", to, "X-Symlink-Target-Etag", hex.EncodeToString(sum[:]))
	case serverCopy:
		return put(object, "", "X-Copy-From", "/"+to)
	case byCOPY:
		_, _, err := c.send(ctx, "COPY", c.settings["storage_url"]+"/"+to, nil, "application/octet-stream", "Destination", "/"+c.settings["container"]+"/"+object)
		return err
	default:
		return fmt.Errorf("no kind of object: %s", kind)
	}
}

// operator returns a client with the rights of the service, which Swift refuses nothing.
func operator(t *testing.T, container string) *client {
	server := sharedServer(t)
	c := dial(t, server.User, stacksync.Secret(server.Password), stacksync.Location{Settings: map[string]string{
		"auth_url": server.AuthURL, "user_domain": server.Domain, "project": server.Project, "project_domain": server.Domain,
		"storage_url": server.StorageURL, "container": container,
	}}).(*client)
	_, err := c.do(t.Context(), http.MethodHead, "", nil) // logs in
	require.NoError(t, err)
	return c
}

// TestObjectsThatAreNoChunks: no kind of object that has its content elsewhere is a chunk, whoever has put it, or followed.
func TestObjectsThatAreNoChunks(t *testing.T) {
	c := configOf(sharedServer(t))
	c.Prefix, c.Signing = "links-", &swift.Signing{Keys: []stacksync.Secret{masterKey}}
	c.Accounts = accountsOf(sharedServer(t), "links-")
	s := open(t, c)
	create(t, s, "own")
	create(t, s, "foreign")
	create(t, s, "copies")
	const secret = "the secret content of another workspace"
	require.NoError(t, write(t.Context(), s, "foreign", "secret", strings.NewReader(secret), len(secret)))
	raw := operator(t, "links-own")
	from := stacksync.Location{Settings: map[string]string{"container": "links-foreign"}}
	// An account could write here once.
	a, ok := stacksync.As[stacksync.AccountProvisioner](s)
	require.True(t, ok)
	_, err := a.PutAccount(t.Context(), stacksync.PutAccountParams{Account: "editor", Secret: "0123456789abcdef"})
	require.NoError(t, err)
	for _, grants := range [][]stacksync.Grant{{{Account: "editor", Permission: stacksync.ReadWrite}}, nil} {
		_, err := a.SetAccess(t.Context(), stacksync.SetAccessParams{Container: "own", Grants: grants})
		require.NoError(t, err)
	}
	require.NoError(t, write(t.Context(), s, "own", "plain", strings.NewReader("plain"), 5))
	for _, kind := range []string{dynamicLarge, dynamicLater, staticLarge, staticChain, symlink, symlinkChain} {
		t.Run(kind, func(t *testing.T) {
			require.NoError(t, raw.Link(t.Context(), kind, "chunk", from, "secret"))
			names := []string{"chunk", "plain"}
			for i := range 300 { // by listings
				names = append(names, fmt.Sprint("missing", i))
			}
			for _, mayLag := range []bool{false, true} {
				r, err := s.StatChunks(t.Context(), stacksync.StatChunksParams{Container: "own", Names: names, MayLag: mayLag})
				require.NoError(t, err)
				require.Equal(t, []stacksync.Chunk{{Name: "plain", Size: 5}}, r.Chunks)
			}
			l, err := s.ListChunks(t.Context(), stacksync.ListChunksParams{Container: "own"})
			require.NoError(t, err)
			require.Len(t, l.Chunks, 1)
			_, err = s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: "own", Name: "chunk"})
			require.ErrorIs(t, err, stacksync.ErrChunkNotFound)
			_, err = s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: "own", To: "copies", Names: []string{"chunk"}})
			require.ErrorIs(t, err, stacksync.ErrChunksMissing)
			require.NotContains(t, download(t, s, "own", "chunk"), secret)
			require.NoError(t, write(t.Context(), s, "own", "chunk", io.MultiReader(strings.NewReader("written")), 7))
			require.Equal(t, "written", content(t, s, "own", "chunk"))
			require.Equal(t, secret, content(t, s, "foreign", "secret"))
		})
	}
}

// TestContentEncoding: content is what was stored, whatever its encoding is said to be.
func TestContentEncoding(t *testing.T) {
	c := configOf(sharedServer(t))
	c.Prefix = "encoded-"
	s := open(t, c)
	create(t, s, "c")
	const zipped = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\x04\x00\x43\xbe\xb7\xe8\x01\x00\x00\x00" // "a"
	_, err := operator(t, "encoded-c").do(t.Context(), http.MethodPut, "/chunk", []byte(zipped), "Content-Encoding", "gzip")
	require.NoError(t, err)
	require.Equal(t, zipped, content(t, s, "c", "chunk"))
}

// TestVersionedContainer: a container that an operator has made keep versions is refused by name.
func TestVersionedContainer(t *testing.T) {
	c := configOf(sharedServer(t))
	c.Prefix = "versions-"
	s := open(t, c)
	for i, header := range [][]string{{"X-Versions-Enabled", "true"}, {"X-Versions-Location", "versions-old"}, {"X-History-Location", "versions-old"}} {
		name := fmt.Sprint("c", i)
		create(t, s, name)
		raw := operator(t, "versions-"+name)
		_, err := raw.do(t.Context(), http.MethodPost, "", nil, header...)
		require.NoError(t, err)
		_, err = s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: name})
		require.ErrorIs(t, err, swift.ErrVersioned, header[0])
		_, err = s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: name})
		require.ErrorIs(t, err, swift.ErrVersioned, header[0])
		if i == 0 {
			require.NoError(t, write(t.Context(), s, name, "a", strings.NewReader("hello"), 5))
			_, err = s.StatChunks(t.Context(), stacksync.StatChunksParams{Container: name, Names: []string{"a"}})
			require.ErrorIs(t, err, swift.ErrVersioned)
			_, err = s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: name, Name: "a"})
			require.ErrorIs(t, err, swift.ErrVersioned)
			text, err := raw.do(t.Context(), http.MethodGet, "?versions&format=json", nil)
			require.NoError(t, err)
			var versions []struct {
				Name    string `json:"name"`
				Version string `json:"version_id"`
			}
			require.NoError(t, json.Unmarshal(text, &versions))
			for _, v := range versions {
				_, err = raw.do(t.Context(), http.MethodDelete, "/"+v.Name+"?version-id="+v.Version, nil)
				require.NoError(t, err)
			}
			header[1] = "false"
		} else {
			header = []string{"X-Remove-" + strings.TrimPrefix(header[0], "X-"), "x"}
		}
		_, err = raw.do(t.Context(), http.MethodPost, "", nil, header...)
		require.NoError(t, err)
	}
}

func content(t *testing.T, s stacksync.ChunkReader, container, name string) string {
	t.Helper()
	r, err := s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: container, Name: name})
	require.NoError(t, err)
	text, err := io.ReadAll(r.Content)
	require.NoError(t, err)
	require.NoError(t, r.Content.Close())
	require.EqualValues(t, len(text), r.Size)
	return string(text)
}

// download returns what a signed request brings, whatever the status.
func download(t *testing.T, s *swift.Storage, container, name string) string {
	t.Helper()
	r, err := signerOf(t, s).SignChunks(t.Context(), stacksync.SignChunksParams{
		Container: container, Method: stacksync.Get, Chunks: []stacksync.Chunk{{Name: name}}, Lifetime: time.Minute,
	})
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.Requests[0].URL, http.NoBody)
	require.NoError(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(text)
}
