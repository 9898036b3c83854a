package move

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/operation"
)

func number(n byte) (id uuid.UUID) {
	id[6], id[8], id[15] = 0x70, 0x80, n
	return id
}

// The names of a payload's fields are stored: a process of another version goes on with the operation.
func TestPayloadIsReadAsStored(t *testing.T) {
	const stored = `{
		"folder": "00000000-0000-7000-8000-000000000001",
		"members": [
			{"workspace": "00000000-0000-7000-8000-000000000002", "user": "ada", "role": "owner", "mount_name": "docs",
				"mount_parent": "00000000-0000-7000-8000-000000000003", "joined_at": "0001-01-01T00:00:00Z", "sealed_key": "a", "key_generation": 1},
			{"workspace": "00000000-0000-0000-0000-000000000000", "user": "bob", "role": "viewer", "joined_at": "0001-01-01T00:00:00Z", "pending": true}
		],
		"homes": {"bob": "00000000-0000-7000-8000-000000000004"},
		"moving": true,
		"items": 7,
		"secret": "AQID",
		"gone": true
	}`
	want := Payload{
		Folder: stacksync.ItemID{UUID: number(1)},
		Members: []stacksync.Member{
			{
				Workspace: stacksync.WorkspaceID{UUID: number(2)}, User: "ada", Role: stacksync.Owner, MountName: "docs",
				MountParent: stacksync.ItemID{UUID: number(3)}, SealedKey: "a", KeyGeneration: 1,
			},
			{User: "bob", Role: stacksync.Viewer, Pending: true},
		},
		Homes:  map[stacksync.UserID]stacksync.WorkspaceID{"bob": {UUID: number(4)}},
		Moving: true, Items: 7, Secret: []byte{1, 2, 3}, Gone: true,
	}
	got, err := read(&stacksync.Operation{Data: stored})
	require.NoError(t, err)
	require.Equal(t, want, got)
	text, err := operation.Encode(&want)
	require.NoError(t, err)
	require.JSONEq(t, stored, text)

	empty, err := read(&stacksync.Operation{Data: "{}"})
	require.NoError(t, err)
	require.Zero(t, empty)
	text, err = operation.Encode(&empty)
	require.NoError(t, err)
	require.Equal(t, "{}", text)
}
