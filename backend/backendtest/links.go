package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// Linker is a Client that knows the ways in which its protocol makes objects whose content is, or might be, that of another object:
// links, manifests, copies by the server. The check "AccountLinks" wants it of each Client.
type Linker interface {
	Client
	// Kinds names these ways, one at least.
	Kinds() []string
	// Link tries to make object, in this session's container, one of a kind whose content is that of target, an object of the container
	// at from. The account may have no access to that. Any error counts as refused.
	Link(ctx context.Context, kind, object string, from stacksync.Location, target string) error
}

// accountLinks: the service may reach what a user may not, so it must follow nothing that a user's account has put. What is not a plain
// object is no chunk for any call, and can be replaced and deleted without harm to what it names.
func accountLinks(t T, s Suite) {
	f := newTenancy(t, s)
	own, foreign, copies := f.container(), f.container(), f.container()
	m := f.member()
	f.grant(own, m.writes())
	linker, ok := f.open(m, own).client.(Linker)
	require.True(f, ok, "the Client of Instance.Dial is no Linker")
	kinds := linker.Kinds()
	require.NotEmpty(f, kinds)
	var kept []string
	for i, kind := range kinds {
		for j, to := range []string{own, foreign} {
			l := &linked{
				tenancy: f, linker: linker, kind: kind, at: own, name: fmt.Sprintf("link-%d-%d", i, j), to: to, target: fmt.Sprintf("target-%d-%d", i, j),
				copies: copies, content: strings.Repeat(fmt.Sprintf("target %d in container %d\n", i, j), 101+i), // nothing else is as long
			}
			l.run()
			if to == foreign {
				kept = append(kept, l.target)
			}
		}
	}
	_, err := f.DeleteContainer(f.Context(), stacksync.DeleteContainerParams{Container: own})
	require.NoError(f, err)
	require.Len(f, f.stat(foreign, kept...), len(kept), "the links' container was deleted, not what they name")
}

// linked is an object that an account has made, perhaps, to have the content of another.
type linked struct {
	*tenancy
	linker                                      Linker
	kind, at, name, to, target, copies, content string
}

func (l *linked) run() {
	l.Helper()
	l.restore()
	if !l.link() {
		require.Empty(l, l.shown(), "%s: refused, and there", l.kind)
		return
	}
	before := l.shown()
	if before != nil { // then it is a chunk like any other, to which nothing happens when the target goes
		l.delete(l.to, l.target)
		require.Equal(l, before, l.shown(), "%s: its content was that of another object, which is gone", l.kind)
		l.delete(l.at, l.name)
		l.restore()
	} else {
		require.NoError(l, l.write(l.at, l.name, "written"), "%s: a chunk can't be written where an account has put what is none", l.kind)
		got, err := l.read(l.at, l.name)
		require.NoError(l, err)
		require.Equal(l, "written", got)
		l.requireTarget()
		l.delete(l.at, l.name)
	}
	if l.link() {
		l.delete(l.at, l.name)
		require.Empty(l, l.shown(), "%s: deleted", l.kind)
	}
	l.requireTarget()
	l.copyOnto()
	l.link() // for DeleteContainer
}

func (l *linked) restore() {
	l.Helper()
	require.NoError(l, l.write(l.to, l.target, l.content))
}

func (l *linked) requireTarget() {
	l.Helper()
	got, err := l.read(l.to, l.target)
	require.NoError(l, err)
	require.Equal(l, digest(l.content), digest(got), "%s: the target is another one", l.kind)
}

// link reports whether the storage has taken it.
func (l *linked) link() bool {
	l.Helper()
	err := l.linker.Link(l.Context(), l.kind, l.locate(l.at, l.name).Objects[0], l.locate(l.to).Location, l.locate(l.to, l.target).Objects[0])
	l.Logf("%s to container %s: %v", l.kind, map[bool]string{true: "its own", false: "another"}[l.to == l.at], err)
	return err == nil
}

// copyOnto: a copy takes the place of what is no chunk, and does not go through it.
func (l *linked) copyOnto() {
	l.Helper()
	if !l.link() || l.shown() != nil {
		l.delete(l.at, l.name)
		return
	}
	require.NoError(l, l.write(l.copies, l.name, "copied"))
	l.copy(l.copies, l.at, l.name)
	l.delete(l.copies, l.name)
	got, err := l.read(l.at, l.name)
	require.NoError(l, err)
	require.Equal(l, "copied", got)
	l.requireTarget()
	l.delete(l.at, l.name)
}

// shown returns the content of the chunk by all ways of reading, which must agree; nil where there is none. None may show the content of
// another container.
func (l *linked) shown() *string {
	l.Helper()
	var ways []string
	saw := func(way string, size int64, content string) {
		l.Helper()
		ways = append(ways, way)
		if l.to != l.at {
			leaks := strings.Contains(content, l.content) // too long to be shown
			require.False(l, leaks, "%s: %s shows the content of another container", l.kind, way)
			require.NotEqual(l, int64(len(l.content)), size, "%s: %s shows the size of what another container has", l.kind, way)
		}
	}
	for _, mayLag := range []bool{false, true} {
		r, err := l.StatChunks(l.Context(), stacksync.StatChunksParams{Container: l.at, Names: append(names("other", 300), l.name), MayLag: mayLag})
		require.NoError(l, err)
		for _, c := range r.Chunks {
			saw(fmt.Sprintf("StatChunks, MayLag %v", mayLag), c.Size, "")
		}
	}
	for name, size := range l.stat(l.at, l.name) {
		saw("StatChunks of "+name, size, "")
	}
	for _, c := range l.list(l.at, 0, nil) {
		if c.Name == l.name {
			saw("ListChunks", c.Size, "")
		}
	}
	var content *string
	got, err := l.read(l.at, l.name)
	if err == nil {
		saw("ReadChunk", int64(len(got)), got)
		content = &got
	} else {
		require.ErrorIs(l, err, stacksync.ErrChunkNotFound, l.kind)
	}
	_, err = l.CopyChunks(l.Context(), stacksync.CopyChunksParams{From: l.at, To: l.copies, Names: []string{l.name}})
	if _, missing := errors.AsType[*stacksync.ChunksMissingError](err); !missing {
		require.NoError(l, err)
		got, err := l.read(l.copies, l.name)
		require.NoError(l, err)
		saw("CopyChunks", int64(len(got)), got)
		l.delete(l.copies, l.name)
	} else {
		require.Empty(l, l.stat(l.copies, l.name))
	}
	if signer, ok := stacksync.As[stacksync.ChunkSigner](l.StorageProvisioner); ok {
		g := &signing{fixture: l.fixture, signer: signer, client: newHTTPClient(l)}
		got := g.send(g.signBy(signer, stacksync.SignChunksParams{
			Container: l.at, Method: stacksync.Get, Chunks: []stacksync.Chunk{{Name: l.name}}, Lifetime: time.Minute,
		}).Requests[0], "")
		if l.to != l.at { // else it is the storage that may follow, for somebody who may read both
			leaks := strings.Contains(got.body, l.content)
			require.False(l, leaks, "%s: a signed request brings the content of another container", l.kind)
		}
	}
	if content == nil {
		require.Empty(l, ways, "%s: ReadChunk finds no chunk", l.kind)
	} else {
		require.Len(l, ways, 6, "%s: only some ways of reading find a chunk", l.kind)
	}
	return content
}
