package stacksync

import (
	"fmt"
)

var (
	kindNames       = map[Kind]string{File: "file", Folder: "folder"}
	statusNames     = map[Status]string{StatusNew: "new", StatusChanged: "changed", StatusRenamed: "renamed", StatusMoved: "moved", StatusDeleted: "deleted"}
	operationStates = map[OperationState]string{OperationRunning: "running", OperationDone: "done", OperationStopped: "stopped", OperationUndone: "undone"}
	roleNames       = map[Role]string{Viewer: "viewer", Editor: "editor", Owner: "owner"}
)

func nameOf[E ~uint8](names map[E]string, e E) string {
	if s, ok := names[e]; ok {
		return s
	}
	return fmt.Sprintf("unknown(%d)", uint8(e))
}

func marshalName[E ~uint8](what string, names map[E]string, e E) ([]byte, error) {
	if s, ok := names[e]; ok {
		return []byte(s), nil
	}
	return nil, &FieldError{Field: what, Reason: fmt.Sprintf("has no value %d", uint8(e))}
}

func unmarshalName[E ~uint8](what string, names map[E]string, e *E, text []byte) error {
	for v, s := range names {
		if s == string(text) {
			*e = v
			return nil
		}
	}
	return &FieldError{Field: what, Reason: fmt.Sprintf("has no value %q", text)}
}

// String returns "file" or "folder".
func (k Kind) String() string { return nameOf(kindNames, k) }

// MarshalText writes what String returns; an unknown kind is an error.
func (k Kind) MarshalText() ([]byte, error) { return marshalName("kind", kindNames, k) }

// UnmarshalText reads what MarshalText writes; anything else is a *FieldError.
func (k *Kind) UnmarshalText(text []byte) error { return unmarshalName("kind", kindNames, k, text) }

// String returns "new", "changed", "renamed", "moved" or "deleted".
func (s Status) String() string { return nameOf(statusNames, s) }

// MarshalText writes what String returns; an unknown status is an error.
func (s Status) MarshalText() ([]byte, error) { return marshalName("status", statusNames, s) }

// UnmarshalText reads what MarshalText writes; anything else is a *FieldError.
func (s *Status) UnmarshalText(text []byte) error {
	return unmarshalName("status", statusNames, s, text)
}

// String returns "viewer", "editor" or "owner".
func (r Role) String() string { return nameOf(roleNames, r) }

// MarshalText writes what String returns; an unknown role is an error.
func (r Role) MarshalText() ([]byte, error) { return marshalName("role", roleNames, r) }

// UnmarshalText reads what MarshalText writes; anything else is a *FieldError.
func (r *Role) UnmarshalText(text []byte) error { return unmarshalName("role", roleNames, r, text) }

// String returns "running", "done", "stopped" or "undone".
func (s OperationState) String() string { return nameOf(operationStates, s) }

// MarshalText writes what String returns; an unknown state is an error.
func (s OperationState) MarshalText() ([]byte, error) {
	return marshalName("state", operationStates, s)
}

// UnmarshalText reads what MarshalText writes; anything else is a *FieldError.
func (s *OperationState) UnmarshalText(text []byte) error {
	return unmarshalName("state", operationStates, s, text)
}
