package metastoretest

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// TestEqualLooksAtEveryField changes each field of each row in turn: a field that is added later must be compared too.
func TestEqualLooksAtEveryField(t *testing.T) {
	for _, row := range []any{
		stacksync.User{}, stacksync.Device{}, stacksync.Workspace{}, stacksync.Member{}, stacksync.ItemRow{}, stacksync.ChunkRow{},
		stacksync.Operation{},
	} {
		t.Run(reflect.TypeOf(row).Name(), func(t *testing.T) {
			require.True(t, equal(row, row))
			for _, field := range reflect.VisibleFields(reflect.TypeOf(row)) {
				if field.Anonymous || len(field.Index) > 1 && field.Name == "UUID" {
					continue
				}
				other := reflect.New(reflect.TypeOf(row)).Elem()
				other.Set(reflect.ValueOf(row))
				setOther(t, other.FieldByIndex(field.Index))
				require.False(t, equal(row, other.Interface()), "%s is not compared", field.Name)
			}
		})
	}
}

// setOther gives a zero field another value.
func setOther(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("other")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.Zero(v.Type().Key()), reflect.Zero(v.Type().Elem()))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0)))
			return
		}
		setOther(t, v.Field(0).Index(0)) // an id: a UUID in a struct
	default:
		t.Fatalf("no other value for a %v", v.Type())
	}
}

func TestEqualAllowsWhatTheContractLeavesOpen(t *testing.T) {
	at := time.Date(2024, 1, 2, 3, 4, 5, 6000, time.UTC)
	row := stacksync.ItemRow{Item: stacksync.Item{ModifiedAt: at, CommittedAt: at}}
	same := row
	same.Chunks, same.Attrs = []stacksync.Chunk{}, map[string]string{}
	same.ModifiedAt = at.In(time.FixedZone("CET", 3600))
	require.True(t, equal(row, same))
}
