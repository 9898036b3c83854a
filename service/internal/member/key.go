package member

import (
	"fmt"

	"github.com/stacksync/stacksync-go"
)

// MaxSealedKey bounds a sealed key, in bytes.
const MaxSealedKey = 4096

// CheckKey checks that a new member of an encrypted workspace has a sealed key, which it notes as a
// key of the present generation, and that a member of another workspace has none. Its error is a
// *FieldError.
func CheckKey(ws *stacksync.Workspace, m *stacksync.Member) error {
	switch {
	case !ws.Encrypted && m.SealedKey != "":
		return &stacksync.FieldError{Field: "SealedKey", Reason: "is set, but the workspace is not encrypted"}
	case ws.Encrypted && m.SealedKey == "":
		return &stacksync.FieldError{Field: "SealedKey", Reason: fmt.Sprintf("of %q is empty, but the workspace is encrypted", m.User)}
	case ws.Encrypted:
		m.KeyGeneration = ws.KeyGeneration
	}
	return nil
}

// Keyed reports whether some member has a key of the workspace's present generation.
func (ro *Roster) Keyed() bool {
	for _, m := range ro.Members {
		if m.KeyGeneration == ro.Workspace.KeyGeneration {
			return true
		}
	}
	return false
}

// CheckSealedKey checks a sealed key: 1 to 4,096 bytes of UTF-8 without NUL. Its error is a
// *FieldError for field.
func CheckSealedKey(field, key string) error {
	if key == "" {
		return &stacksync.FieldError{Field: field, Reason: "is empty"}
	}
	return stacksync.CheckText(field, key, MaxSealedKey)
}
