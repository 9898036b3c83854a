package service_test

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	storage "github.com/stacksync/stacksync-go/backend/memory"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// signing is a storage that signs requests, and keeps what it was asked.
type signing struct {
	readerWriter
	asked []stacksync.SignChunksParams
	fail  error
}

var expiry = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func (s *signing) SignChunks(_ context.Context, p stacksync.SignChunksParams) (stacksync.SignChunksResult, error) {
	s.asked = append(s.asked, p)
	res := stacksync.SignChunksResult{Expires: expiry}
	for _, c := range p.Chunks {
		res.Requests = append(res.Requests, stacksync.SignedRequest{
			Method: p.Method, URL: "https://storage.test/" + p.Container + "/" + c.Name, Header: map[string]string{"Content-Length": fmt.Sprint(c.Size)},
		})
	}
	return res, s.fail
}

// accounts is a storage with accounts, and keeps who they are.
type accounts struct {
	readerWriter
	mu      sync.Mutex
	secrets map[string]stacksync.Secret
	grants  map[string][]stacksync.Grant
	made    map[string]bool                          // containers
	put     func(p stacksync.PutAccountParams) error // called before an account is put
	set     func(p stacksync.SetAccessParams) error  // called before a list is set
	most    int                                      // accounts a list has room for
}

func newAccounts() *accounts {
	return &accounts{
		readerWriter: storage.New(storage.Config{}), secrets: map[string]stacksync.Secret{}, grants: map[string][]stacksync.Grant{}, made: map[string]bool{},
		put: func(stacksync.PutAccountParams) error { return nil }, set: func(stacksync.SetAccessParams) error { return nil }, most: 1000,
	}
}

func (a *accounts) PutAccount(_ context.Context, p stacksync.PutAccountParams) (stacksync.PutAccountResult, error) {
	if err := a.put(p); err != nil {
		return stacksync.PutAccountResult{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, there := a.secrets[p.Account]; there || !p.IfExists {
		a.secrets[p.Account] = p.Secret
	}
	return stacksync.PutAccountResult{Login: "login-" + p.Account}, nil
}

func (a *accounts) DeleteAccount(context.Context, stacksync.DeleteAccountParams) (stacksync.DeleteAccountResult, error) {
	return stacksync.DeleteAccountResult{}, nil
}

func (a *accounts) SetAccess(_ context.Context, p stacksync.SetAccessParams) (stacksync.SetAccessResult, error) {
	if err := a.set(p); err != nil {
		return stacksync.SetAccessResult{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	listed := min(len(p.Grants), a.most)
	a.grants[p.Container] = p.Grants[:listed]
	var res stacksync.SetAccessResult
	for _, g := range p.Grants[listed:] {
		res.Omitted = append(res.Omitted, g.Account)
	}
	return res, nil
}

func (a *accounts) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
	a.mu.Lock()
	a.made[p.Container] = true
	a.mu.Unlock()
	return a.readerWriter.CreateContainer(ctx, p)
}

func (a *accounts) DeleteContainer(ctx context.Context, p stacksync.DeleteContainerParams) (stacksync.DeleteContainerResult, error) {
	a.mu.Lock()
	delete(a.made, p.Container)
	a.mu.Unlock()
	return a.readerWriter.DeleteContainer(ctx, p)
}

// containers are those that exist.
func (a *accounts) containers() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.made))
}

func (a *accounts) Locate(_ context.Context, p stacksync.LocateParams) (stacksync.LocateResult, error) {
	res := stacksync.LocateResult{Location: stacksync.Location{Protocol: "test", Settings: map[string]string{"folder": p.Container}}}
	for _, name := range p.Names {
		res.Objects = append(res.Objects, "object of "+name)
	}
	return res, nil
}

var (
	accountKey = []byte(strings.Repeat("k", 32))
	withKey    = func(c *service.Config) { c.AccountKey = accountKey }
)

func onStorage(s stacksync.StorageProvisioner) func(*service.Config) {
	return func(c *service.Config) { c.Storage = s }
}

func TestNewOffersOnlyWhatItCan(t *testing.T) {
	store := memory.New(memory.Config{})
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	plain := storage.New(storage.Config{})
	signs := &signing{readerWriter: plain}
	for name, row := range map[string]struct {
		cfg  service.Config
		want error
		says string
	}{
		"unknown":         {service.Config{Storage: plain, Vias: []stacksync.Via{"pigeon"}}, stacksync.ErrInvalid, "Config.Vias[0]"},
		"twice":           {service.Config{Storage: plain, Vias: []stacksync.Via{"host", "host"}}, stacksync.ErrInvalid, "Config.Vias[1]"},
		"none":            {service.Config{Storage: plain, Vias: []stacksync.Via{}}, errors.ErrUnsupported, "no way to content"},
		"can't sign":      {service.Config{Storage: plain, Vias: []stacksync.Via{stacksync.ViaSigned}}, errors.ErrUnsupported, `"signed"`},
		"can't read":      {service.Config{Storage: onlyContainers{plain}, Vias: []stacksync.Via{stacksync.ViaHost}}, errors.ErrUnsupported, `"host"`},
		"no accounts":     {service.Config{Storage: plain, AccountKey: accountKey}, errors.ErrUnsupported, "Config.AccountKey"},
		"no key":          {service.Config{Storage: newAccounts(), Vias: []stacksync.Via{stacksync.ViaAccount}}, errors.ErrUnsupported, "AccountKey"},
		"short key":       {service.Config{Storage: newAccounts(), AccountKey: accountKey[1:]}, stacksync.ErrInvalid, "Config.AccountKey is shorter than 32 bytes"},
		"lifetime, short": {service.Config{Storage: signs, SignedLifetime: time.Millisecond}, stacksync.ErrInvalid, "Config.SignedLifetime"},
		"lifetime, long":  {service.Config{Storage: signs, SignedLifetime: 8 * 24 * time.Hour}, stacksync.ErrInvalid, "Config.SignedLifetime"},
		"signed only": {service.Config{Storage: struct {
			stacksync.StorageProvisioner
			stacksync.ChunkSigner
		}{plain, signs}}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			svc, err := service.New(store, row.cfg)
			if row.want == nil {
				require.NoError(t, err)
				require.NoError(t, svc.Close())
				return
			}
			require.ErrorIs(t, err, row.want)
			require.ErrorContains(t, err, row.says)
			require.NotContains(t, err.Error(), "kkkk")
		})
	}
}

func TestPrepareSigns(t *testing.T) {
	s := &signing{readerWriter: storage.New(storage.Config{})}
	w := newWorld(t, memory.New(memory.Config{}), onStorage(s), func(c *service.Config) { c.SignedLifetime, c.ChunkHash = time.Minute, sha256.New })
	there, missing := w.upload("there")[0], chunkOf("missing")
	up, err := w.prepareUpload(missing, there)
	require.NoError(t, err)
	require.Equal(t, stacksync.ViaSigned, up.Via)
	require.Equal(t, expiry, up.Expires)
	require.Len(t, up.Missing, 1)
	require.Equal(t, missing, up.Missing[0].Chunk)
	container := s.asked[0].Container
	require.Equal(t, stacksync.SignedRequest{Method: "PUT", URL: "https://storage.test/" + container + "/" + missing.Name, Header: map[string]string{"Content-Length": "7"}}, up.Missing[0].Request)
	require.Equal(t, []stacksync.SignChunksParams{{Container: container, Method: stacksync.Put, Chunks: []stacksync.Chunk{missing}, Lifetime: time.Minute, SHA256: true}}, s.asked)

	down, err := w.svc.PrepareDownload(t.Context(), stacksync.PrepareDownloadRequest{Actor: w.actor, Workspace: w.ws, Names: []string{there.Name}})
	require.NoError(t, err)
	require.Equal(t, stacksync.Get, down.Chunks[0].Request.Method)
	require.Equal(t, stacksync.Get, s.asked[1].Method)
	require.Equal(t, there, down.Chunks[0].Chunk)

	text, err := json.Marshal(up)
	require.NoError(t, err)
	require.JSONEq(t, `{"via": "signed", "expires": "2030-01-02T03:04:05Z", "missing": [{"name": "`+missing.Name+`", "size": 7, "request":
		{"method": "PUT", "url": "`+up.Missing[0].Request.URL+`", "header": {"Content-Length": "7"}}}]}`, string(text))
	var back stacksync.PrepareUploadResult
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, up, back)

	up, err = w.prepareUpload(there)
	require.NoError(t, err)
	require.Empty(t, up.Missing)
	require.Len(t, s.asked, 2, "nothing to sign")

	w.must(w.file(stacksync.ItemID{}, "committed", "committed"))
	res, err := w.svc.PrepareUpload(t.Context(), stacksync.PrepareUploadRequest{
		Actor: w.actor, Workspace: w.ws, Chunks: []stacksync.Chunk{there, chunkOf("committed"), missing}, New: true,
	})
	require.NoError(t, err)
	require.Len(t, res.Missing, 2, "the storage is not asked what there is")
	require.Equal(t, []stacksync.Chunk{there, missing}, []stacksync.Chunk{res.Missing[0].Chunk, res.Missing[1].Chunk})
	s.fail = errCut
	_, err = w.prepareUpload(missing)
	require.ErrorIs(t, err, errCut)
}

// Chunks that came before there was a ChunkHash can be downloaded all the same; new ones of such names are refused by their place.
func TestPrepareWithOtherNames(t *testing.T) {
	s := &signing{readerWriter: storage.New(storage.Config{})}
	w := newWorld(t, memory.New(memory.Config{}), onStorage(s), func(c *service.Config) { c.ChunkHash = sha256.New })
	there := w.upload("there")[0]
	writeChunk(t, s, mountContainer(w), "old", "old")
	res, err := w.svc.PrepareDownload(t.Context(), stacksync.PrepareDownloadRequest{Actor: w.actor, Workspace: w.ws, Names: []string{"old"}})
	require.NoError(t, err)
	require.Equal(t, stacksync.Get, res.Chunks[0].Request.Method)
	require.False(t, s.asked[0].SHA256)
	_, err = w.prepareUpload(there, stacksync.Chunk{Name: "new", Size: 1})
	var fe *stacksync.FieldError
	require.ErrorAs(t, err, &fe)
	require.Equal(t, "Chunks[1].Name", fe.Field)
}

func mountContainer(w *world) string {
	res, err := w.svc.ListWorkspaces(w.Context(), stacksync.ListWorkspacesRequest{Actor: w.actor})
	require.NoError(w, err)
	return res.Workspaces[0].Container
}

// Only names that are SHA-256 can bind a request to its content.
func TestPrepareKnowsTheHash(t *testing.T) {
	for name, row := range map[string]struct {
		hash func() hash.Hash
		want bool
	}{"none": {nil, false}, "md5": {md5.New, false}, "sha256": {sha256.New, true}} {
		t.Run(name, func(t *testing.T) {
			s := &signing{readerWriter: storage.New(storage.Config{})}
			w := newWorld(t, memory.New(memory.Config{}), onStorage(s), func(c *service.Config) { c.ChunkHash = row.hash })
			_, err := w.prepareUpload(chunkOf("x"))
			require.NoError(t, err)
			require.Equal(t, row.want, s.asked[0].SHA256)
			require.Equal(t, 15*time.Minute, s.asked[0].Lifetime)
		})
	}
}

func TestClientsChooseTheWay(t *testing.T) {
	s := &signing{readerWriter: storage.New(storage.Config{})}
	w := newWorld(t, memory.New(memory.Config{}), onStorage(s))
	r := stacksync.PrepareUploadRequest{Actor: w.actor, Workspace: w.ws, Chunks: []stacksync.Chunk{chunkOf("x")}, Via: stacksync.ViaHost}
	res, err := w.svc.PrepareUpload(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, stacksync.PrepareUploadResult{Via: stacksync.ViaHost, Missing: []stacksync.Transfer{{Chunk: chunkOf("x")}}}, res)
	for _, via := range []stacksync.Via{stacksync.ViaAccount, "pigeon"} {
		r.Via = via
		_, err = w.svc.PrepareUpload(t.Context(), r)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		_, err = w.svc.PrepareDownload(t.Context(), stacksync.PrepareDownloadRequest{Actor: w.actor, Workspace: w.ws, Via: via})
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}

	w = newWorld(t, memory.New(memory.Config{}), onStorage(s), func(c *service.Config) { c.Vias = []stacksync.Via{stacksync.ViaSigned} })
	_, err = w.svc.UploadChunk(t.Context(), stacksync.UploadChunkRequest{Actor: w.actor, Workspace: w.ws, Chunk: chunkOf("x"), Content: strings.NewReader("x")})
	require.ErrorIs(t, err, errors.ErrUnsupported, "the configuration closes that way")
	_, err = w.svc.DownloadChunk(t.Context(), stacksync.DownloadChunkRequest{Actor: w.actor, Workspace: w.ws, Name: "x"})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// A workspace that was made without a storage gets its container before somebody is sent to it.
func TestPrepareUploadMakesTheContainer(t *testing.T) {
	store := memory.New(memory.Config{})
	before, err := service.New(store, service.Config{})
	require.NoError(t, err)
	user, err := before.PutUser(t.Context(), stacksync.PutUserRequest{User: "ada"})
	require.NoError(t, err)
	device, err := before.RegisterDevice(t.Context(), stacksync.RegisterDeviceRequest{Actor: stacksync.Actor{User: "ada"}})
	require.NoError(t, err)
	require.NoError(t, before.Close())

	s := &signing{readerWriter: storage.New(storage.Config{})}
	svc, err := service.New(store, service.Config{Storage: s})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(svc.Close(), store.Close())) })
	actor := stacksync.Actor{User: "ada", Device: device.Device.ID}
	_, err = svc.PrepareUpload(t.Context(), stacksync.PrepareUploadRequest{Actor: actor, Workspace: user.User.DefaultWorkspace, Chunks: []stacksync.Chunk{chunkOf("x")}})
	require.NoError(t, err)
	writeChunk(t, s, s.asked[0].Container, "x", "x")
	mounts, err := svc.ListWorkspaces(t.Context(), stacksync.ListWorkspacesRequest{Actor: actor})
	require.NoError(t, err)
	require.True(t, mounts.Workspaces[0].Provisioned)
}

// writeChunk puts a chunk into a container of the storage itself.
func writeChunk(t *testing.T, s stacksync.ChunkWriter, container, name, content string) {
	t.Helper()
	_, err := s.WriteChunk(t.Context(), stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: name, Size: int64(len(content))}, Content: strings.NewReader(content),
	})
	require.NoError(t, err)
}
