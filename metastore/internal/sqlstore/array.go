package sqlstore

import (
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/stacksync/stacksync-go"
)

// array is an array in PostgreSQL's text form: {1,2,NULL}, text in double quotes. It is bound as text, so that any driver
// can send it. See https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO.
type array struct{ b []byte }

var errText = errors.New("text is not UTF-8 without NUL")

// add appends an element: a pointer to what the models have, or a value that a driver knows.
func (a *array) add(v any) error {
	if len(a.b) == 0 {
		a.b = append(a.b, '{')
	} else {
		a.b = append(a.b, ',')
	}
	if valuer, ok := v.(driver.Valuer); ok {
		switch id := v.(type) {
		case *uuid.UUID: // faster than by way of its Value
		case *optionalID:
			v = nil
			if id.UUID != uuid.Nil {
				v = &id.UUID
			}
		default:
			value, err := valuer.Value()
			if err != nil {
				return err
			}
			v = value
		}
	}
	switch v := v.(type) {
	case *string:
		return a.text(*v)
	case *int64:
		a.b = strconv.AppendInt(a.b, *v, 10)
	case *bool:
		a.b = strconv.AppendBool(a.b, *v)
	case *uuid.UUID:
		a.id(v)
	case string:
		return a.text(v)
	case int64:
		a.b = strconv.AppendInt(a.b, v, 10)
	case []byte:
		a.bytes(v)
	case nil:
		a.b = append(a.b, "NULL"...)
	default:
		return fmt.Errorf("a %T is no element", v)
	}
	return nil
}

func (a *array) id(id *uuid.UUID) {
	var text [36]byte
	hex.Encode(text[:8], id[:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:], id[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	a.b = append(a.b, text[:]...)
}

func (a *array) text(s string) error {
	if err := checkText(s); err != nil {
		return err
	}
	a.b = append(a.b, '"')
	for {
		i := strings.IndexAny(s, `"\`)
		if i < 0 {
			break
		}
		a.b = append(a.b, s[:i]...)
		a.b = append(a.b, '\\', s[i])
		s = s[i+1:]
	}
	a.b = append(a.b, s...)
	a.b = append(a.b, '"')
	return nil
}

func (a *array) bytes(b []byte) {
	a.b = append(a.b, `"\\x`...)
	a.b = hex.AppendEncode(a.b, b)
	a.b = append(a.b, '"')
}

// literal returns the whole array.
func (a *array) literal() string {
	if len(a.b) == 0 {
		return "{}"
	}
	return string(append(a.b, '}'))
}

// usual is how many bytes an element of a type usually takes.
var usual = map[string]int{"uuid": 37, "bigint": 8, "boolean": 6, "text": 32, "bytea": 96}

// literals returns keys as arrays, one for each column of a key.
func literals[K any](keys []K, key func(args []any, k *K) []any, types ...string) ([]string, error) {
	columns := make([]array, len(types))
	for j, typ := range types {
		columns[j].b = make([]byte, 0, 8+len(keys)*usual[typ])
	}
	var args []any
	for i := range keys {
		args = key(args[:0], &keys[i])
		for j, arg := range args {
			if err := columns[j].add(arg); err != nil {
				return nil, err
			}
		}
	}
	texts := make([]string, len(types))
	for j := range columns {
		texts[j] = columns[j].literal()
	}
	return texts, nil
}

// LockArrays returns what LockParams name, as arrays of uuid, of text and of uuid.
func LockArrays(p stacksync.LockParams) (workspaces, users, operations string, err error) {
	return idArrays(p.Workspaces, p.Users, p.Operations)
}

func idArrays(ws []stacksync.WorkspaceID, us []stacksync.UserID, ops []stacksync.OperationID) (workspaces, users, operations string, err error) {
	w, err := literals(ws, workspaceArgs, "uuid")
	if err != nil {
		return "", "", "", err
	}
	u, err := literals(us, userArgs, "text")
	if err != nil {
		return "", "", "", err
	}
	o, err := literals(ops, operationArgs, "uuid")
	if err != nil {
		return "", "", "", err
	}
	return w[0], u[0], o[0], nil
}

// checkText refuses what PostgreSQL can't hold, and what a driver may silently change.
func checkText(s string) error {
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		return errText
	}
	return nil
}
