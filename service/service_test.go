package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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

func TestNewRefusesABadConfig(t *testing.T) {
	store := memory.New(memory.Config{})
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	for field, cfg := range map[string]service.Config{
		"Config.Limits.Proposals": {Limits: stacksync.Limits{Proposals: -1}},
		"Config.Limits.FileSize":  {Limits: stacksync.Limits{FileSize: 1<<50 + 1}},
		"Config.QuotaLimit":       {QuotaLimit: -1},
		"Config.PollInterval":     {PollInterval: -1},
		"Config.RelayInterval":    {RelayInterval: -1},
	} {
		_, err := service.New(store, cfg)
		var fe *stacksync.FieldError
		require.ErrorAs(t, err, &fe)
		require.Equal(t, field, fe.Field)
	}
	_, err := service.New(nil, service.Config{})
	require.ErrorIs(t, err, stacksync.ErrInvalid)
	_, err = service.New(store, service.Config{Storage: onlyContainers{storage.New(storage.Config{})}})
	require.ErrorIs(t, err, errors.ErrUnsupported, "clients could not get at content")
}

// onlyContainers hides what else a storage can do.
type onlyContainers struct{ stacksync.StorageProvisioner }

func TestZeroConfigSaysWhatItLacks(t *testing.T) {
	var log bytes.Buffer
	store := memory.New(memory.Config{})
	svc, err := service.New(store, service.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	require.NoError(t, svc.Close())
	require.NoError(t, store.Close())
	require.Contains(t, log.String(), "no Storage")
	require.Contains(t, log.String(), "no Notifier")
}

func TestClosedService(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	require.NoError(t, w.svc.Close())
	require.NoError(t, w.svc.Close(), "a second Close does nothing")
	_, err := w.svc.Commit(t.Context(), stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws})
	require.ErrorIs(t, err, stacksync.ErrClosed)
	for _, err := range w.svc.Follow(t.Context(), stacksync.FollowRequest{Actor: w.actor, Workspace: w.ws}) {
		require.ErrorIs(t, err, stacksync.ErrClosed)
	}
}

func TestCommitRefusesABadRequest(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.Limits = stacksync.Limits{Proposals: 2, CommitChunks: 3} })
	f := w.file(stacksync.ItemID{}, "f", "f")
	for len(f.Chunks) < 4 {
		f.Chunks, f.Size = append(f.Chunks, f.Chunks[0]), f.Size+1
	}
	one := w.folder(stacksync.ItemID{}, "n")
	for name, row := range map[string]struct {
		r    stacksync.CommitRequest
		want error
		says string
	}{
		"no proposals":       {stacksync.CommitRequest{}, stacksync.ErrLimit, "Proposals are not 1 to 2"},
		"too many proposals": {stacksync.CommitRequest{Proposals: []stacksync.Proposal{one, one, one}}, stacksync.ErrLimit, "1 to 2"},
		"too many chunks":    {stacksync.CommitRequest{Proposals: []stacksync.Proposal{f}}, stacksync.ErrLimit, "3 chunks"},
		"long request id":    {stacksync.CommitRequest{RequestID: strings.Repeat("r", 256), Proposals: []stacksync.Proposal{one}}, stacksync.ErrLimit, "RequestID"},
	} {
		row.r.Actor, row.r.Workspace = w.actor, w.ws
		_, err := w.svc.Commit(t.Context(), row.r)
		require.ErrorIs(t, err, row.want, name)
		require.ErrorContains(t, err, row.says, name)
	}
	require.Zero(t, w.snapshot().Revision)
}

func TestFoldCase(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t), func(c *service.Config) { c.FoldCase = true })
		f := w.folder(stacksync.ItemID{}, "Straße")
		w.must(f)
		require.ErrorIs(t, w.commit(w.folder(stacksync.ItemID{}, "STRASSE"))[0].Err, stacksync.ErrNameTaken)
		items := w.must(next(f, func(p *stacksync.Proposal) { p.Name = "STRASSE" }))
		require.Equal(t, "STRASSE", items[0].Name, "a rename that changes only case works, and shows in the feed")
		pages := w.pages("", 0)
		require.Equal(t, "STRASSE", pages[0].Items[0].Name)
		res, err := w.svc.GetItemByPath(t.Context(), stacksync.GetItemByPathRequest{Actor: w.actor, Workspace: w.ws, Path: "strasse"})
		require.NoError(t, err)
		require.Equal(t, f.Item, res.Item.ID)
	})
}

// What is stored depends on FoldCase: a service that is configured otherwise must not touch it.
// The error of a path says which of its names is bad, and not how long the path is.
func TestGetItemByPathNamesTheBadName(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	for path, says := range map[string]string{
		"a//b":                   "Path has 3 names, and name 2 is not 1 to 255 bytes long",
		"/a":                     "Path has 2 names, and name 1 is not 1 to 255 bytes long",
		"a/../b":                 `Path has 3 names, and name 2 is ".."`,
		"a\xff":                  "Path has 1 names, and name 1 is not valid UTF-8",
		strings.Repeat("n", 256): "Path has 1 names, and name 1 is not 1 to 255 bytes long",
	} {
		_, err := w.svc.GetItemByPath(t.Context(), stacksync.GetItemByPathRequest{Actor: w.actor, Workspace: w.ws, Path: path})
		require.ErrorIs(t, err, stacksync.ErrName, path)
		require.ErrorContains(t, err, says)
		var field *stacksync.FieldError
		require.ErrorAs(t, err, &field)
		require.Equal(t, "Path", field.Field)
	}
}

func TestFoldCaseIsKept(t *testing.T) {
	store := memory.New(memory.Config{})
	w := newWorld(t, store)
	w.must(w.folder(stacksync.ItemID{}, "readme"))
	other, err := service.New(store, service.Config{FoldCase: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	_, err = other.Commit(t.Context(), stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: []stacksync.Proposal{w.folder(stacksync.ItemID{}, "README")}})
	require.ErrorIs(t, err, stacksync.ErrFoldCase)
	_, err = other.GetItemByPath(t.Context(), stacksync.GetItemByPathRequest{Actor: w.actor, Workspace: w.ws, Path: "README"})
	require.ErrorIs(t, err, stacksync.ErrFoldCase)
}

// The identity of a caller comes from the host, never out of a request's text.
func TestRequestsTakeNoIdentityFromJSON(t *testing.T) {
	var r stacksync.CommitRequest
	require.NoError(t, json.Unmarshal([]byte(`{"user":"eve","Actor":{"user":"eve"},"RequestID":"1"}`), &r))
	require.Equal(t, stacksync.CommitRequest{RequestID: "1"}, r)
}

// The caller keeps its request: what it changes in it later must not show in what was saved.
func TestCommitKeepsNothingOfTheRequest(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	p := w.file(stacksync.ItemID{}, "f", "content")
	p.Attrs = map[string]string{"k": "v"}
	w.must(p)
	before := w.snapshot()
	p.Chunks[0].Name = "changed"
	p.Attrs["k"] = "changed"
	require.Equal(t, "v", before.Items[0].Attrs["k"])
	require.Equal(t, before, w.snapshot())
}

// Clients' clocks order nothing: with the time running backwards the feed stays in the order of the commits.
func TestClocksOrderNothing(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.FixedZone("odd", 5*3600+123))
	w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) {
		c.Now = func() time.Time { now = now.Add(-time.Hour); return now }
	})
	var want []stacksync.ItemID
	for i := range 5 {
		p := w.folder(stacksync.ItemID{}, fmt.Sprint(i))
		p.ModifiedAt = time.Date(9999-i, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
		w.must(p)
		want = append(want, p.Item)
	}
	var got []stacksync.ItemID
	for _, it := range w.pages("", 2)[0].Items {
		got = append(got, it.ID)
		require.Equal(t, time.UTC, it.CommittedAt.Location())
		require.Zero(t, it.ModifiedAt.Nanosecond()%1000, "times are kept to the microsecond")
	}
	require.Equal(t, want[:2], got)
}

// counter is an Observer that counts.
type counter struct {
	mu    sync.Mutex
	ended map[string][]service.Observation
}

func (c *counter) Begin(ctx context.Context, op string) (context.Context, func(service.Observation)) {
	return ctx, func(o service.Observation) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ended == nil {
			c.ended = map[string][]service.Observation{}
		}
		c.ended[op] = append(c.ended[op], o)
	}
}

func TestObserverSeesEveryCall(t *testing.T) {
	seen := &counter{}
	w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.Observer = seen })
	w.must(w.folder(stacksync.ItemID{}, "a"), w.folder(stacksync.ItemID{}, "b"))
	_, err := w.svc.GetItem(t.Context(), stacksync.GetItemRequest{Actor: w.actor, Workspace: w.ws, Item: newID()})
	require.ErrorIs(t, err, stacksync.ErrItemNotFound)
	seen.mu.Lock() // the service does things by itself, too
	defer seen.mu.Unlock()
	require.Equal(t, []service.Observation{{Items: 2}}, seen.ended["Commit"])
	require.Equal(t, []service.Observation{{Items: 2, Commits: 1}}, seen.ended["commit.batch"])
	require.Len(t, seen.ended["GetItem"], 1)
	require.ErrorIs(t, seen.ended["GetItem"][0].Err, stacksync.ErrItemNotFound)
}

func TestRestoreVersion(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		f := w.file(stacksync.ItemID{}, "f", "one")
		f2 := next(f, func(p *stacksync.Proposal) { p.Name, p.Size, p.Chunks = "renamed", 5, w.upload("three") })
		w.must(f, f2)
		restore := func(version, base int64) (stacksync.Outcome, error) {
			res, err := w.svc.RestoreVersion(t.Context(), stacksync.RestoreVersionRequest{Actor: w.actor, Workspace: w.ws, Item: f.Item, Version: version, Base: base})
			return res.Outcome, err
		}
		o, err := restore(1, 2)
		require.NoError(t, err)
		require.Equal(t, stacksync.Committed, o.Result)
		require.Equal(t, f.Chunks, o.Item.Chunks)
		require.Equal(t, "renamed", o.Item.Name, "restored in place")
		o, err = restore(1, 2)
		require.NoError(t, err)
		require.Equal(t, stacksync.AlreadyCommitted, o.Result, "the same call again")
		o, err = restore(2, 2)
		require.NoError(t, err)
		require.ErrorIs(t, o.Err, stacksync.ErrVersionConflict, "another call on the old base")

		w.must(stacksync.Proposal{Item: f.Item, Version: 4, Delete: true})
		o, err = restore(2, 4)
		require.NoError(t, err)
		require.Equal(t, stacksync.StatusNew, o.Item.Status, "a deleted item comes back")
		require.EqualValues(t, 5, w.snapshot().Used)
		for _, bad := range [][2]int64{{0, 5}, {6, 5}, {-1, -1}} {
			_, err = restore(bad[0], bad[1])
			require.ErrorIs(t, err, stacksync.ErrInvalid)
		}
	})
}
