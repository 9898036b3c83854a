package backendtest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"

	"github.com/stacksync/stacksync-go"
	params "github.com/stacksync/stacksync-go/backend/internal/check"
	"github.com/stacksync/stacksync-go/backend/internal/objectname"
	"github.com/stacksync/stacksync-go/backend/memory"
)

// vault is a storage with accounts. What a mutant may change is in the fields that are functions.
type vault struct {
	storage *memory.Storage
	opens   func(at account, secret stacksync.Secret) bool  // whether a login is good
	goesOn  func(v *visitor, now account, exists bool) bool // whether a session that has begun is
	allows  func(v *visitor, op, object string) bool        // what a session may do; called with mu held
	lists   func(v *visitor, objects []string) []string     // what it then sees
	resolve func(container, object string) (inContainer, chunk string, ok bool)
	strange func(container, object string) error // takes, or refuses, what is no chunk

	mu       sync.Mutex
	serial   int
	accounts map[string]account
	grants   map[string]map[string]stacksync.Permission // by container, then account
	links    map[[2]string][2]string                    // by container and name of a chunk, where its content would be
}

type account struct {
	secret stacksync.Secret
	serial int // another one with each secret
}

func newVault(storage *memory.Storage) *vault {
	v := &vault{storage: storage, accounts: map[string]account{}, grants: map[string]map[string]stacksync.Permission{}, links: map[[2]string][2]string{}}
	v.opens = func(at account, secret stacksync.Secret) bool { return at.secret == secret }
	v.goesOn = func(s *visitor, now account, exists bool) bool { return exists && now.serial == s.serial }
	v.allows = v.allowed
	v.resolve = func(container, object string) (inContainer, chunk string, ok bool) {
		name, ok := objectname.Chunk(object)
		return container, name, ok
	}
	v.strange = func(_, object string) error { return fmt.Errorf("put %q: no chunk has this name", object) }
	v.lists = func(_ *visitor, objects []string) []string { return objects }
	return v
}

func (v *vault) allowed(s *visitor, op, _ string) bool {
	switch v.grants[s.container][s.login] {
	case stacksync.ReadWrite:
		return true
	case stacksync.Read:
		return op == "get" || op == "list"
	default:
		return false
	}
}

func (v *vault) putAccount(ctx context.Context, p stacksync.PutAccountParams) (stacksync.PutAccountResult, error) {
	if err := params.PutAccount(ctx, p); err != nil {
		return stacksync.PutAccountResult{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if at, exists := v.accounts[p.Account]; (exists || !p.IfExists) && (!exists || at.secret != p.Secret) {
		v.serial++
		v.accounts[p.Account] = account{secret: p.Secret, serial: v.serial}
	}
	return stacksync.PutAccountResult{Login: p.Account}, nil
}

func (v *vault) deleteAccount(ctx context.Context, p stacksync.DeleteAccountParams) (stacksync.DeleteAccountResult, error) {
	if err := params.DeleteAccount(ctx, p); err != nil {
		return stacksync.DeleteAccountResult{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.accounts, p.Account)
	return stacksync.DeleteAccountResult{}, nil
}

func (v *vault) setAccess(ctx context.Context, p stacksync.SetAccessParams) (stacksync.SetAccessResult, error) {
	if err := params.SetAccess(ctx, p); err != nil {
		return stacksync.SetAccessResult{}, err
	}
	// Copying nothing to a container tells whether it is there.
	if _, err := v.storage.CopyChunks(ctx, stacksync.CopyChunksParams{From: p.Container, To: p.Container}); err != nil {
		return stacksync.SetAccessResult{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	granted := map[string]stacksync.Permission{}
	for _, g := range p.Grants {
		if _, exists := v.accounts[g.Account]; exists {
			granted[g.Account] = g.Permission
		}
	}
	v.grants[p.Container] = granted
	return stacksync.SetAccessResult{}, nil
}

func (v *vault) locate(ctx context.Context, p stacksync.LocateParams) (stacksync.LocateResult, error) {
	if err := params.Locate(ctx, p); err != nil {
		return stacksync.LocateResult{}, err
	}
	r := stacksync.LocateResult{Location: stacksync.Location{Protocol: "fake", Settings: map[string]string{"container": p.Container}}}
	for _, name := range p.Names {
		r.Objects = append(r.Objects, objectname.Of(name))
	}
	return r, nil
}

// dial is Instance.Dial.
func (v *vault) dial(_ T, login string, secret stacksync.Secret, at stacksync.Location) Client {
	return &visitor{vault: v, login: login, secret: secret, container: at.Settings["container"]}
}

// visitor is a session.
type visitor struct {
	vault            *vault
	login, container string
	secret           stacksync.Secret
	serial           int // of the account when the session began; 0 before
}

// permit reports why a session may not do something, if it may not.
func (s *visitor) permit(op, object string) error {
	s.vault.mu.Lock()
	defer s.vault.mu.Unlock()
	now, exists := s.vault.accounts[s.login]
	if s.serial == 0 && exists && s.vault.opens(now, s.secret) {
		s.serial = now.serial
	}
	if s.serial == 0 || !s.vault.goesOn(s, now, exists) || !s.vault.allows(s, op, object) {
		return fmt.Errorf("%s: %w", op, ErrDenied)
	}
	return nil
}

func (s *visitor) Get(ctx context.Context, object string) ([]byte, error) {
	if err := s.permit("get", object); err != nil {
		return nil, err
	}
	container, name, ok := s.vault.resolve(s.container, object)
	if !ok {
		return nil, stacksync.ErrChunkNotFound
	}
	r, err := s.vault.storage.ReadChunk(ctx, stacksync.ReadChunkParams{Container: container, Name: name})
	if err != nil {
		return nil, err
	}
	defer r.Content.Close()
	return io.ReadAll(r.Content)
}

func (s *visitor) Put(ctx context.Context, object string, content []byte) error {
	if err := s.permit("put", object); err != nil {
		return err
	}
	container, name, ok := s.vault.resolve(s.container, object)
	if !ok {
		return s.vault.strange(s.container, object)
	}
	_, err := s.vault.storage.WriteChunk(ctx, stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: name, Size: int64(len(content))}, Content: strings.NewReader(string(content)),
	})
	return err
}

func (s *visitor) Delete(ctx context.Context, object string) error {
	if err := s.permit("delete", object); err != nil {
		return err
	}
	container, name, _ := s.vault.resolve(s.container, object)
	_, err := s.vault.storage.DeleteChunks(ctx, stacksync.DeleteChunksParams{Container: container, Names: []string{name}})
	return err
}

func (s *visitor) List(ctx context.Context) ([]string, error) {
	if err := s.permit("list", ""); err != nil {
		return nil, err
	}
	r, err := s.vault.storage.ListChunks(ctx, stacksync.ListChunksParams{Container: s.container, Limit: 10_000})
	var list []string
	for _, c := range r.Chunks {
		list = append(list, objectname.Of(c.Name))
	}
	return s.vault.lists(s, list), err
}

// clone returns a copy that a mutant can hold on to.
func clone(grants map[string]map[string]stacksync.Permission) map[string]map[string]stacksync.Permission {
	all := map[string]map[string]stacksync.Permission{}
	for c, g := range grants {
		all[c] = maps.Clone(g)
	}
	return all
}

// Kinds implements Linker.
func (s *visitor) Kinds() []string { return []string{"link"} }

// Link implements Linker. The storage takes links, and follows none: only mutants look at them.
func (s *visitor) Link(_ context.Context, _, object string, from stacksync.Location, target string) error {
	if err := s.permit("put", object); err != nil {
		return err
	}
	container, name, _ := s.vault.resolve(s.container, object)
	_, to, _ := s.vault.resolve(from.Settings["container"], target)
	s.vault.mu.Lock()
	defer s.vault.mu.Unlock()
	s.vault.links[[2]string{container, name}] = [2]string{from.Settings["container"], to}
	return nil
}

// follow returns where the content of a chunk is, for a mutant that follows links.
func (v *vault) follow(container, name string) (toContainer, toName string, linked bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	to, linked := v.links[[2]string{container, name}]
	if !linked {
		return container, name, false
	}
	return to[0], to[1], true
}

// unlink is what a write and a deletion do to a link.
func (v *vault) unlink(container, name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.links, [2]string{container, name})
}
