package metastoretest

import (
	"fmt"
	"sync/atomic"

	"pgregory.net/rapid"
)

// rapidTB makes a T what rapid wants.
type rapidTB struct {
	T
	failed atomic.Bool
}

func (t *rapidTB) Errorf(format string, args ...any) {
	t.Helper()
	t.failed.Store(true)
	t.T.Errorf(format, args...)
}

func (t *rapidTB) FailNow() {
	t.failed.Store(true)
	t.T.FailNow()
}

func (t *rapidTB) Fatalf(format string, args ...any) {
	t.Helper()
	t.Errorf(format, args...)
	t.FailNow()
}

func (t *rapidTB) Log(args ...any)   { t.Helper(); t.Logf("%s", fmt.Sprintln(args...)) }
func (t *rapidTB) Error(args ...any) { t.Helper(); t.Errorf("%s", fmt.Sprintln(args...)) }
func (t *rapidTB) Fatal(args ...any) { t.Helper(); t.Fatalf("%s", fmt.Sprintln(args...)) }
func (t *rapidTB) Fail()             { t.Helper(); t.Errorf("failed") }
func (t *rapidTB) Failed() bool      { return t.failed.Load() }

// A check is never skipped from within.
func (t *rapidTB) Skip(args ...any)                 { t.Helper(); t.Fatal(args...) }
func (t *rapidTB) Skipf(format string, args ...any) { t.Helper(); t.Fatalf(format, args...) }
func (t *rapidTB) SkipNow()                         { t.Fail(); t.FailNow() }

var _ rapid.TB = (*rapidTB)(nil)
