package swift

import (
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// TestPrintedStorage: neither fmt nor slog finds a secret in a Storage or a part of it. It is an internal test since it needs the parts.
func TestPrintedStorage(t *testing.T) {
	t.Parallel()
	const (
		password stacksync.Secret = "the-password-of-the-service"
		first    stacksync.Secret = "the-first-master-key-0123456789abcdef"
		second   stacksync.Secret = "the-second-master-key-0123456789abcdef"
	)
	c := Config{
		AuthURL: "http://127.0.0.1:1/v3", Username: "service", Password: password, Project: "sync", Signing: &Signing{Keys: []stacksync.Secret{first, second}},
		Accounts: &Accounts{Project: "users", Role: "user"}, Transport: http.NewFileTransport(http.Dir(t.TempDir())),
	}
	require.NoError(t, c.check())
	s := newStorage(c)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	var err error
	s.wire, s.idle = newWire(&c)
	s.session, err = newSession(&c, s.wire)
	require.NoError(t, err)
	a := &accounts{StorageProvisioner: s, s: s, cfg: *c.Accounts}
	s.url = "http://127.0.0.1:1/v1/AUTH_x"
	g, err := s.newSigner(a)
	require.NoError(t, err)
	s.outer = g

	var seen strings.Builder
	text, asJSON := slog.New(slog.NewTextHandler(&seen, nil)), slog.New(slog.NewJSONHandler(&seen, nil))
	for _, v := range []any{s, s.session, s.wire, s.keys, &s.info, a, g, c, &c, c.Accounts} {
		fmt.Fprintf(&seen, "%v\n%+v\n%#v\n%s %d\n", v, v, v, v, v)
		text.Info("part", "value", v)
		asJSON.Info("part", "value", v)
	}
	require.Contains(t, seen.String(), "AUTH_x")
	held := strings.Join(textsOf(reflect.ValueOf(s), map[any]bool{}), "\n")
	require.Contains(t, held, "AUTH_x", "what a printer finds that follows pointers")
	for _, v := range []any{*c.Signing, c.Signing} {
		fmt.Fprintf(&seen, "%v\n%+v\n%#v\n%s\n", v, v, v, v)
		text.Info("part", "value", v)
		asJSON.Info("part", "value", v)
	}
	for _, secret := range []stacksync.Secret{password, first, second} {
		i := strings.Index(seen.String(), string(secret))
		require.Negative(t, i, "…%.200s", seen.String()[max(0, i-100):])
		require.NotContains(t, held, string(secret))
	}
}

// textsOf returns the texts that a value of this package's holds, wherever they are.
func textsOf(v reflect.Value, seen map[any]bool) []string {
	var texts []string
	switch v.Kind() {
	case reflect.String:
		return []string{v.String()}
	case reflect.Interface:
		return textsOf(v.Elem(), seen)
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] || v.Type().Elem().PkgPath() != reflect.TypeFor[Storage]().PkgPath() {
			return nil
		}
		seen[v.Pointer()] = true
		return textsOf(v.Elem(), seen)
	case reflect.Struct:
		for i := range v.NumField() {
			texts = append(texts, textsOf(v.Field(i), seen)...)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			texts = append(texts, textsOf(v.Index(i), seen)...)
		}
	case reflect.Map:
		for key, value := range v.Seq2() {
			texts = append(texts, textsOf(key, seen)...)
			texts = append(texts, textsOf(value, seen)...)
		}
	default:
	}
	return texts
}
