//go:build !unix

package main

import (
	"testing"

	"go.uber.org/goleak"
)

func testMain(m *testing.M) { goleak.VerifyTestMain(m) }
