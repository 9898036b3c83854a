// Package check holds what every storage back-end checks before it acts: that the names and sizes it is given keep to the
// rules of stacksync.StorageProvisioner, that the context has not ended, and that content is as long as it is said to be.
//
// Each function is named after the method whose parameters it checks. It returns a *stacksync.FieldError, or the error of
// a context that has ended.
package check

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/stacksync/stacksync-go"
)

const (
	mostContainer = 63  // characters of a container's name
	mostName      = 255 // characters of a chunk's name

	defaultPage = 1_000
	mostPage    = 10_000
)

// CreateContainer checks the parameters of the method.
func CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) error {
	return first(ctx, container("Container", p.Container))
}

// DeleteContainer checks the parameters of the method.
func DeleteContainer(ctx context.Context, p stacksync.DeleteContainerParams) error {
	return first(ctx, container("Container", p.Container))
}

// StatChunks checks the parameters of the method.
func StatChunks(ctx context.Context, p stacksync.StatChunksParams) error {
	return first(ctx, container("Container", p.Container), names(p.Names))
}

// CopyChunks checks the parameters of the method.
func CopyChunks(ctx context.Context, p stacksync.CopyChunksParams) error {
	return first(ctx, container("From", p.From), container("To", p.To), names(p.Names))
}

// DeleteChunks checks the parameters of the method.
func DeleteChunks(ctx context.Context, p stacksync.DeleteChunksParams) error {
	return first(ctx, container("Container", p.Container), names(p.Names))
}

// ListChunks checks the parameters of the method, but for After, which only the back-end understands.
func ListChunks(ctx context.Context, p stacksync.ListChunksParams) error {
	var limit error
	if p.Limit < 0 {
		limit = &stacksync.FieldError{Field: "Limit", Reason: "is negative"}
	}
	return first(ctx, container("Container", p.Container), limit)
}

// WriteChunk checks the parameters of the method. Content returns the reader that checks the content.
func WriteChunk(ctx context.Context, p stacksync.WriteChunkParams) error {
	var size, content error
	if p.Size < 0 {
		size = &stacksync.FieldError{Field: "Size", Reason: "is negative"}
	}
	if p.Content == nil {
		content = &stacksync.FieldError{Field: "Content", Reason: "is nil"}
	}
	return first(ctx, container("Container", p.Container), name("Name", p.Name), size, content)
}

// ReadChunk checks the parameters of the method.
func ReadChunk(ctx context.Context, p stacksync.ReadChunkParams) error {
	return first(ctx, container("Container", p.Container), name("Name", p.Name))
}

// SignChunks checks the parameters of the method.
func SignChunks(ctx context.Context, p stacksync.SignChunksParams) error {
	var method, lifetime, chunk error
	if p.Method != stacksync.Get && p.Method != stacksync.Put {
		method = &stacksync.FieldError{Field: "Method", Reason: "is neither GET nor PUT"}
	}
	if p.Lifetime < time.Second || p.Lifetime > 7*24*time.Hour {
		lifetime = &stacksync.FieldError{Field: "Lifetime", Reason: "is not 1 second to 7 days"}
	}
	for i := range p.Chunks {
		c := &p.Chunks[i]
		switch {
		case !validName(c.Name):
			chunk = name(fmt.Sprintf("Chunks[%d].Name", i), c.Name)
		case c.Size < 0:
			chunk = &stacksync.FieldError{Field: fmt.Sprintf("Chunks[%d].Size", i), Reason: "is negative"}
		case p.SHA256 && p.Method == stacksync.Put && (len(c.Name) != hex.EncodedLen(sha256.Size) || strings.Trim(c.Name, "0123456789abcdef") != ""):
			chunk = &stacksync.FieldError{Field: fmt.Sprintf("Chunks[%d].Name", i), Reason: "is not a SHA-256 in lower-case hexadecimal"}
		}
		if chunk != nil {
			break
		}
	}
	return first(ctx, container("Container", p.Container), method, lifetime, chunk)
}

// PutAccount checks the parameters of the method.
func PutAccount(ctx context.Context, p stacksync.PutAccountParams) error {
	var secret error
	if ok := 16 <= len(p.Secret) && len(p.Secret) <= 64; !ok || strings.ContainsFunc(string(p.Secret), notSecret) {
		secret = &stacksync.FieldError{Field: "Secret", Reason: `is not 16 to 64 characters of A-Z, a-z, 0-9, "-" and "_"`}
	}
	return first(ctx, container("Account", p.Account), secret)
}

func notSecret(r rune) bool {
	return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// DeleteAccount checks the parameters of the method.
func DeleteAccount(ctx context.Context, p stacksync.DeleteAccountParams) error {
	return first(ctx, container("Account", p.Account))
}

// SetAccess checks the parameters of the method.
func SetAccess(ctx context.Context, p stacksync.SetAccessParams) error {
	seen := make(map[string]bool, len(p.Grants))
	for i, g := range p.Grants {
		field := fmt.Sprintf("Grants[%d].Account", i)
		if err := container(field, g.Account); err != nil {
			return err
		}
		if seen[g.Account] {
			return &stacksync.FieldError{Field: field, Reason: "comes twice"}
		}
		seen[g.Account] = true
		if g.Permission != stacksync.Read && g.Permission != stacksync.ReadWrite {
			return &stacksync.FieldError{Field: fmt.Sprintf("Grants[%d].Permission", i), Reason: "is neither Read nor ReadWrite"}
		}
	}
	return first(ctx, container("Container", p.Container))
}

// Locate checks the parameters of the method.
func Locate(ctx context.Context, p stacksync.LocateParams) error {
	return first(ctx, container("Container", p.Container), names(p.Names))
}

// PageSize returns how many chunks a page may have whose ListChunksParams.Limit is limit: 1,000 for 0, and never more
// than 10,000, so that no caller decides how much memory a page takes.
func PageSize(limit int) int {
	if limit == 0 {
		return defaultPage
	}
	return min(limit, mostPage)
}

// first returns the first error, and that of ctx last: a bad request is bad whenever it is sent.
func first(ctx context.Context, errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func container(field, s string) error {
	ok := 1 <= len(s) && len(s) <= mostContainer && s[0] != '-' && s[len(s)-1] != '-'
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		ok = 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-'
	}
	if !ok {
		return &stacksync.FieldError{Field: field, Reason: fmt.Sprintf(
			`is not 1 to %d characters of a-z, 0-9 and "-" that start and end with a letter or digit`, mostContainer)}
	}
	return nil
}

func names(list []string) error {
	for i, s := range list {
		if !validName(s) { // first, since the name of the field costs an allocation
			return name(fmt.Sprintf("Names[%d]", i), s)
		}
	}
	return nil
}

func name(field, s string) error {
	if !validName(s) {
		return &stacksync.FieldError{Field: field, Reason: fmt.Sprintf("is not 1 to %d printable ASCII characters", mostName)}
	}
	return nil
}

func validName(s string) bool {
	if len(s) < 1 || len(s) > mostName {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
