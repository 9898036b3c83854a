package service_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func TestEncryptedWorkspace(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		bob, _ := w.join("bob")
		eve, _ := w.join("eve")
		s := w.shelf()
		res, err := w.svc.ShareFolder(t.Context(), stacksync.ShareFolderRequest{Actor: w.actor, Workspace: w.ws, Folder: s.folder.Item, Encrypted: true, SealedKey: "for ada",
			Invite: []stacksync.Invitee{{User: "bob", SealedKey: "for bob"}, {User: "eve", SealedKey: "for eve"}}})
		require.NoError(t, err)
		ws := res.Workspace.ID
		mount := mountOf(w.at(bob, w.ws).list(), ws)
		require.True(t, mount.Encrypted)
		require.Equal(t, "for bob", mount.Member.SealedKey)
		require.EqualValues(t, 1, mount.Member.KeyGeneration)

		ops, err := w.svc.ListOperations(t.Context(), stacksync.ListOperationsRequest{Actor: w.actor})
		require.NoError(t, err)
		require.Len(t, ops.Operations, 1)
		require.NotContains(t, ops.Operations[0].Data, "for ", "a share that is done keeps nobody's key")

		commit := func(actor stacksync.Actor, generation int64) error {
			_, err := w.svc.Commit(t.Context(), stacksync.CommitRequest{Actor: actor, Workspace: ws, KeyGeneration: generation, Proposals: []stacksync.Proposal{w.folder(stacksync.ItemID{}, fmt.Sprint(w.id()))}})
			return err
		}
		require.NoError(t, commit(bob, 1))
		require.ErrorIs(t, commit(bob, 0), stacksync.ErrKeyGeneration)
		require.ErrorIs(t, commit(bob, 2), stacksync.ErrKeyGeneration)

		keys := func(actor stacksync.Actor, generation int64, keys map[stacksync.UserID]string) error {
			_, err := w.svc.SetKeys(t.Context(), stacksync.SetKeysRequest{Actor: actor, Workspace: ws, Generation: generation, Keys: keys})
			return err
		}
		require.NoError(t, w.at(eve, ws).leave())
		require.ErrorIs(t, commit(bob, 1), stacksync.ErrKeyGeneration, "eve knows that one")
		mount = mountOf(w.at(bob, w.ws).list(), ws)
		require.EqualValues(t, 2, mount.Workspace.KeyGeneration)
		require.EqualValues(t, 1, mount.Member.KeyGeneration, "it has no new key yet")
		err = keys(bob, 2, map[stacksync.UserID]string{"bob": "b2"})
		require.ErrorIs(t, err, stacksync.ErrInvalid)
		require.ErrorContains(t, err, "lack ada")
		require.ErrorIs(t, commit(bob, 2), stacksync.ErrKeyGeneration, "nobody has its key")
		_, err = w.at(w.actor, ws).invite(stacksync.Invitee{User: "eve", SealedKey: "e2"})
		require.ErrorIs(t, err, stacksync.ErrKeyGeneration)
		require.ErrorIs(t, keys(bob, 4, map[stacksync.UserID]string{"ada": "a2", "bob": "b2"}), stacksync.ErrKeyGeneration)
		require.ErrorIs(t, keys(eve, 2, map[stacksync.UserID]string{"ada": "a2", "bob": "b2"}), stacksync.ErrWorkspaceNotFound)
		require.NoError(t, keys(bob, 2, map[stacksync.UserID]string{"ada": "a2", "bob": "b2"}))
		require.Equal(t, "a2", mountOf(w.list(), ws).Member.SealedKey)
		require.NoError(t, commit(bob, 2))
		require.ErrorIs(t, keys(w.actor, 2, map[stacksync.UserID]string{"ada": "a2'", "bob": "b2'"}), stacksync.ErrKeyGeneration, "bob has encrypted with another one")
		invite := func(key string, generation int64) error {
			_, err := w.svc.Invite(t.Context(), stacksync.InviteRequest{Actor: w.actor, Workspace: ws, Invite: []stacksync.Invitee{{User: "eve", SealedKey: key}}, KeyGeneration: generation})
			return err
		}
		require.ErrorContains(t, invite("", 2), "SealedKey")
		require.ErrorIs(t, invite("e1", 1), stacksync.ErrKeyGeneration, "it was sealed before somebody left")
		require.NoError(t, invite("e2", 2))
		require.NoError(t, commit(eve, 2))

		restore := func(generation int64) error {
			item := w.at(bob, ws).item(s.deep.Item)
			_, err := w.svc.RestoreVersion(t.Context(), stacksync.RestoreVersionRequest{Actor: bob, Workspace: ws, Item: s.deep.Item, Version: 1, Base: item.Version, KeyGeneration: generation})
			return err
		}
		require.ErrorIs(t, restore(1), stacksync.ErrKeyGeneration)
		require.NoError(t, restore(2))
		require.NoError(t, keys(bob, 3, map[stacksync.UserID]string{"ada": "a3", "bob": "b3", "eve": "e3"}), "a new one may always come")

		// Content that can't be read without its key stays where the key is.
		require.NoError(t, w.at(w.actor, ws).unshare())
		require.Contains(t, w.at(w.actor, ws).tree(), "below/deep.txt")
		require.Equal(t, beside, w.tree())
	})
}
