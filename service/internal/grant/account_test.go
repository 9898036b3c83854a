package grant

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/operation"
)

// The name of the payload's field is stored: it says whose operation it is, whatever version has recorded it.
func TestHomeIsReadAsStored(t *testing.T) {
	home := stacksync.WorkspaceID{UUID: uuid.MustParse("00000000-0000-7000-8000-000000000007")}
	const stored = `{"home":"00000000-0000-7000-8000-000000000007"}`
	got, err := Home(&stacksync.Operation{Data: stored})
	require.NoError(t, err)
	require.Equal(t, home, got)
	text, err := operation.Encode(&account{Home: home})
	require.NoError(t, err)
	require.JSONEq(t, stored, text)
	_, err = Home(&stacksync.Operation{Data: "?"})
	require.Error(t, err)
}
