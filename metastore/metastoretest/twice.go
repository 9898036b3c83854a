package metastoretest

import (
	"context"
	"errors"

	"github.com/stacksync/stacksync-go"
)

// Twice returns a store that runs each closure twice, as a store may after a lost connection: the closure of an Update
// first in a transaction that is rolled back, whatever it returns, and then again. Tests of what uses a store run on it
// to show that their closures can run again, from a clean state.
func Twice(store stacksync.MetadataStore) stacksync.MetadataStore { return twice{store} }

type twice struct{ stacksync.MetadataStore }

// Unwrap returns the store below.
func (t twice) Unwrap() stacksync.MetadataStore { return t.MetadataStore }

// errAgain ends a first run.
var errAgain = errors.New("metastoretest: closure runs again")

func (t twice) Update(ctx context.Context, fn func(ctx context.Context, tx stacksync.Tx) error) error {
	err := t.MetadataStore.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		_ = fn(ctx, tx)
		return errAgain
	})
	if !errors.Is(err, errAgain) {
		return err
	}
	return t.MetadataStore.Update(ctx, fn)
}

func (t twice) View(ctx context.Context, fn func(ctx context.Context, r stacksync.Reader) error) error {
	err := t.MetadataStore.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		_ = fn(ctx, r)
		return errAgain
	})
	if !errors.Is(err, errAgain) {
		return err
	}
	return t.MetadataStore.View(ctx, fn)
}
