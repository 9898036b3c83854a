package stacksync_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
)

// TestAccess tries every call on a workspace as everybody who could: allowed, or the one right error.
func TestAccess(t *testing.T) {
	w := newWorld(t, memory.New())
	tr := newTree(w)
	content := "content"
	chunk := w.upload(content)[0]
	stranger, _ := w.join("stranger")
	role := func(r stacksync.Role) stacksync.Actor {
		actor, _ := w.join(stacksync.UserID(r.String()))
		w.put(stacksync.PutParams{Members: []stacksync.Member{{Workspace: w.ws, User: actor.User, Role: r}}})
		return actor
	}
	viewer, editor, owner := role(stacksync.Viewer), role(stacksync.Editor), w.device(w.actor.User)
	revoked := w.device(w.actor.User)
	_, err := w.svc.RevokeDevice(t.Context(), stacksync.RevokeDeviceRequest{Actor: w.actor, ID: revoked.Device})
	require.NoError(t, err)

	unknown := stacksync.Actor{User: "nobody", Device: owner.Device}
	foreign := stacksync.Actor{User: owner.User, Device: stranger.Device}
	noDevice := stacksync.Actor{User: owner.User}

	var (
		n       int
		ctx     = t.Context()
		anyone  = map[string]error{}
		readers = map[string]error{"stranger": stacksync.ErrWorkspaceNotFound, "unknown": stacksync.ErrWorkspaceNotFound,
			"foreign device": stacksync.ErrDeviceNotFound, "revoked device": stacksync.ErrDeviceRevoked}
		transfers = with(readers, "no device", stacksync.ErrInvalid)
		writers   = with(transfers, "viewer", stacksync.ErrRole)
		own       = map[string]error{"foreign device": stacksync.ErrDeviceNotFound, "revoked device": stacksync.ErrDeviceRevoked, "unknown": stacksync.ErrUserNotFound}
	)
	calls := map[string]struct {
		call func(a stacksync.Actor) error
		want map[string]error
	}{
		"Commit": {func(a stacksync.Actor) error {
			n++
			p := w.folder(stacksync.ItemID{}, strings.Repeat("n", n))
			_, err := w.svc.Commit(ctx, stacksync.CommitRequest{Actor: a, Workspace: w.ws, Proposals: []stacksync.Proposal{p}})
			return err
		}, writers},
		"Commit of a file": {func(a stacksync.Actor) error {
			p := w.file(stacksync.ItemID{}, w.id().String(), "f")
			_, err := w.svc.Commit(ctx, stacksync.CommitRequest{Actor: a, Workspace: w.ws, Proposals: []stacksync.Proposal{p}})
			return err
		}, writers},
		"RestoreVersion": {func(a stacksync.Actor) error {
			_, err := w.svc.RestoreVersion(ctx, stacksync.RestoreVersionRequest{Actor: a, Workspace: w.ws, Item: tr.deep.Item, Version: 1, Base: 2})
			return err
		}, writers},
		"PrepareUpload": {func(a stacksync.Actor) error {
			_, err := w.svc.PrepareUpload(ctx, stacksync.PrepareUploadRequest{Actor: a, Workspace: w.ws, Chunks: []stacksync.Chunk{chunk}})
			return err
		}, writers},
		"UploadChunk": {func(a stacksync.Actor) error {
			_, err := w.svc.UploadChunk(ctx, stacksync.UploadChunkRequest{Actor: a, Workspace: w.ws, Chunk: chunk, Content: bytes.NewBufferString(content)})
			return err
		}, writers},
		"PrepareDownload": {func(a stacksync.Actor) error {
			_, err := w.svc.PrepareDownload(ctx, stacksync.PrepareDownloadRequest{Actor: a, Workspace: w.ws, Names: []string{chunk.Name}})
			return err
		}, transfers},
		"DownloadChunk": {func(a stacksync.Actor) error {
			res, err := w.svc.DownloadChunk(ctx, stacksync.DownloadChunkRequest{Actor: a, Workspace: w.ws, Name: chunk.Name})
			if err == nil {
				err = res.Content.Close()
			}
			return err
		}, transfers},
		"Changes": {func(a stacksync.Actor) error {
			_, err := w.svc.Changes(ctx, stacksync.ChangesRequest{Actor: a, Workspace: w.ws})
			return err
		}, readers},
		"Follow": {func(a stacksync.Actor) error {
			for _, err := range w.svc.Follow(ctx, stacksync.FollowRequest{Actor: a, Workspace: w.ws}) {
				return err
			}
			return errors.New("follow yielded nothing")
		}, readers},
		"GetItem": {func(a stacksync.Actor) error {
			_, err := w.svc.GetItem(ctx, stacksync.GetItemRequest{Actor: a, Workspace: w.ws, Item: tr.docs.Item})
			return err
		}, readers},
		"GetItemByPath": {func(a stacksync.Actor) error {
			_, err := w.svc.GetItemByPath(ctx, stacksync.GetItemByPathRequest{Actor: a, Workspace: w.ws, Path: "docs/sub/deep"})
			return err
		}, readers},
		"ListChildren": {func(a stacksync.Actor) error {
			_, err := w.svc.ListChildren(ctx, stacksync.ListChildrenRequest{Actor: a, Workspace: w.ws, Parent: tr.docs.Item})
			return err
		}, readers},
		"ListVersions": {func(a stacksync.Actor) error {
			_, err := w.svc.ListVersions(ctx, stacksync.ListVersionsRequest{Actor: a, Workspace: w.ws, Item: tr.deep.Item})
			return err
		}, readers},
		"ListWorkspaces": {func(a stacksync.Actor) error {
			_, err := w.svc.ListWorkspaces(ctx, stacksync.ListWorkspacesRequest{Actor: a})
			return err
		}, own},
		"ListDevices": {func(a stacksync.Actor) error {
			_, err := w.svc.ListDevices(ctx, stacksync.ListDevicesRequest{Actor: a})
			return err
		}, own},
		"RegisterDevice": {func(a stacksync.Actor) error {
			_, err := w.svc.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: a})
			return err
		}, own},
		"RevokeDevice": {func(a stacksync.Actor) error {
			_, err := w.svc.RevokeDevice(ctx, stacksync.RevokeDeviceRequest{Actor: a, ID: stacksync.DeviceID{UUID: uuid.New()}})
			if errors.Is(err, stacksync.ErrDeviceNotFound) && a != foreign {
				return nil // it was let in, and there is no such device
			}
			return err
		}, own},
		"PutUser": {func(stacksync.Actor) error { // a host's call: it has no actor
			_, err := w.svc.PutUser(ctx, stacksync.PutUserRequest{User: "somebody"})
			return err
		}, anyone},
		"GetUser": {func(stacksync.Actor) error {
			_, err := w.svc.GetUser(ctx, stacksync.GetUserRequest{User: owner.User})
			return err
		}, anyone},
	}
	for name, call := range calls {
		for who, actor := range map[string]stacksync.Actor{"owner": owner, "editor": editor, "viewer": viewer, "stranger": stranger,
			"unknown": unknown, "revoked device": revoked, "foreign device": foreign, "no device": noDevice} {
			t.Run(name+" as "+who, func(t *testing.T) {
				err := call.call(actor)
				require.ErrorIs(t, err, call.want[who])
				if errors.Is(err, stacksync.ErrWorkspaceNotFound) {
					for _, secret := range []string{"docs", "ada", tr.docs.Item.String(), "viewer"} {
						require.NotContains(t, err.Error(), secret)
					}
				}
			})
		}
	}
	t.Run("unknown workspace looks like a foreign one", func(t *testing.T) {
		missing := stacksync.WorkspaceID{UUID: uuid.New()}
		_, foreign := w.svc.GetItem(ctx, stacksync.GetItemRequest{Actor: stranger, Workspace: w.ws, Item: tr.docs.Item})
		_, unknown := w.svc.GetItem(ctx, stacksync.GetItemRequest{Actor: stranger, Workspace: missing, Item: tr.docs.Item})
		require.EqualError(t, foreign, unknown.Error())
	})
}

func with(m map[string]error, who string, err error) map[string]error {
	all := map[string]error{who: err}
	for k, v := range m {
		all[k] = v
	}
	return all
}

// No id reaches into another workspace: the same item id there is another item, and a parent there is no parent here.
func TestWorkspacesShareNoItems(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		tr := newTree(w)
		before := w.snapshot()
		bob, bobs := w.join("bob")
		commit := func(p stacksync.Proposal) stacksync.Outcome {
			res, err := w.svc.Commit(t.Context(), stacksync.CommitRequest{Actor: bob, Workspace: bobs, Proposals: []stacksync.Proposal{p}})
			require.NoError(t, err)
			return res.Outcomes[0]
		}
		require.ErrorIs(t, commit(w.folder(tr.docs.Item, "n")).Err, stacksync.ErrParentNotFound)
		require.ErrorIs(t, commit(deletion(tr.docs)).Err, stacksync.ErrUnknownItem)
		require.ErrorIs(t, commit(next(tr.docs, func(*stacksync.Proposal) {})).Err, stacksync.ErrUnknownItem)
		require.ErrorIs(t, commit(w.file(stacksync.ItemID{}, "f", "ada's content")).Err, stacksync.ErrChunksMissing)
		same := tr.docs
		same.Name = "bob's own"
		require.NoError(t, commit(same).Err)
		require.Equal(t, before, w.snapshot())
	})
}
