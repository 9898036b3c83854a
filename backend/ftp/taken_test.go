package ftp_test

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/ftp"
)

// place returns where a chunk's object lies in its container.
func place(t *testing.T, s *ftp.Storage, name string) string {
	t.Helper()
	accounts, ok := stacksync.As[stacksync.AccountProvisioner](s)
	require.True(t, ok)
	at, err := accounts.Locate(t.Context(), stacksync.LocateParams{Container: "mine", Names: []string{name}})
	require.NoError(t, err)
	return at.Objects[0]
}

// inShards returns n chunks' names that begin so, each of a shard of its own in which the chunk named "chunk" is not.
func inShards(t *testing.T, s *ftp.Storage, prefix string, n int, used map[string]bool) []string {
	t.Helper()
	var names []string
	for i := 0; len(names) < n; i++ {
		name := fmt.Sprint(prefix, i)
		if shard := place(t, s, name)[:2]; !used[shard] {
			used[shard] = true
			names = append(names, name)
		}
	}
	return names
}

func (i *intruder) move(content, to string) {
	i.t.Helper()
	require.NoError(i.t, i.Stor("/mine/.tmp/upload", strings.NewReader(content)))
	require.NoError(i.t, i.Rename("/mine/.tmp/upload", to))
}

func (i *intruder) makeFolders(name string) {
	i.t.Helper()
	for n := len("/mine/") + 1; n <= len(name); n++ {
		if n == len(name) || name[n] == '/' {
			i.send("MKD " + name[:n])
		}
	}
	code, text := i.send("MLST " + name)
	require.Equal(i.t, 250, code, text)
}

// TestTakenPlaces: folders that an account has made where chunks belong, and files where folders do, are no chunks, stop no call about
// others, and give way to the chunk.
func TestTakenPlaces(t *testing.T) {
	t.Parallel()
	server, login := bounds(t)
	s := open(t, withAccounts(server))
	alice := login("alice")
	used := map[string]bool{object[:2]: true}
	for _, how := range []string{"write", "copy"} {
		folders := inShards(t, s, how+"-folder-", 3, used)
		shards := inShards(t, s, how+"-shard-", 2, used)
		long := inShards(t, s, how+strings.Repeat(" long", 49), 1, used)
		all := append(append(folders, shards...), long...)
		if how == "copy" {
			for _, name := range all {
				require.NoError(t, write(t.Context(), s, "other", name, "content of "+name))
			}
		}
		alice.makeFolders("/mine/" + place(t, s, folders[0]))
		alice.makeFolders("/mine/" + place(t, s, folders[1]) + "/a/b")
		alice.makeFolders("/mine/" + place(t, s, folders[2]) + "/a/c")
		for _, name := range []string{"", "/a", "/a/c"} {
			alice.move("intruder", "/mine/"+place(t, s, folders[2])+name+"/file")
		}
		for _, name := range shards {
			alice.move("intruder", "/mine/"+place(t, s, name)[:2])
		}
		first := path.Dir(place(t, s, long[0]))
		alice.makeFolders("/mine/" + path.Dir(first))
		alice.move("intruder", "/mine/"+first)

		requireOnlyChunk(t, s, all)
		for _, name := range all {
			if how == "write" {
				require.NoError(t, write(t.Context(), s, "mine", name, "content of "+name), name)
			} else {
				_, err := s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: "other", To: "mine", Names: []string{name}})
				require.NoError(t, err, name)
			}
			got, err := read(t.Context(), s, "mine", name)
			require.NoError(t, err)
			require.Equal(t, "content of "+name, got)
		}
		require.ElementsMatch(t, append(all, "chunk"), stored(t, s, "mine"))
		_, err := s.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: "mine", Names: all})
		require.NoError(t, err)
	}
	got, err := read(t.Context(), s, "mine", "chunk")
	require.NoError(t, err)
	require.Equal(t, "content", got)
}

// requireOnlyChunk checks that "mine" has the chunk named "chunk", and none of those whose places are taken.
func requireOnlyChunk(t *testing.T, s *ftp.Storage, taken []string) {
	t.Helper()
	ask := append([]string{"chunk"}, taken...)
	many := ask
	for i := range 5_000 { // so that shards are listed
		many = append(many, fmt.Sprint("missing", i))
	}
	for _, names := range [][]string{ask, many} {
		stat, err := s.StatChunks(t.Context(), stacksync.StatChunksParams{Container: "mine", Names: names})
		require.NoError(t, err)
		require.Equal(t, []stacksync.Chunk{{Name: "chunk", Size: 7}}, stat.Chunks)
	}
	require.Equal(t, []string{"chunk"}, stored(t, s, "mine"))
	for _, name := range taken {
		_, err := read(t.Context(), s, "mine", name)
		require.ErrorIs(t, err, stacksync.ErrChunkNotFound)
	}
	_, err := s.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: "mine", Names: taken})
	require.NoError(t, err)
	_, err = s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: "mine", To: "other", Names: taken})
	var missing *stacksync.ChunksMissingError
	require.ErrorAs(t, err, &missing)
	require.ElementsMatch(t, taken, missing.Names)
}
