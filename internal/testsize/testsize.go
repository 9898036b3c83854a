package testsize

import (
	"flag"
	"os"
	"strconv"
)

// Env is the environment variable that is 1 for tests of full size.
const Env = "STACKSYNC_TEST_FULL"

// Full reports whether tests run at full size.
func Full() bool { return os.Getenv(Env) == "1" }

// Of returns small, or full where tests run at full size.
func Of[V any](small, full V) V {
	if Full() {
		return full
	}
	return small
}

// Measured is Of for a test that measures, or has 100,000 items: under the race detector it is small at full size too. With
// that it would take many times as long, and measure the detector. The step large of .ci/run runs such tests without it,
// and with nothing beside them.
func Measured[V any](small, full V) V {
	if race {
		return small
	}
	return Of(small, full)
}

// NeedsFull skips what has no small instance, unless tests run at full size. t is the test that runs.
func NeedsFull(t interface {
	Helper()
	Skip(args ...any)
}) {
	t.Helper()
	if !Full() {
		t.Skip("at full size only: " + Env + "=1")
	}
}

// rapidChecks is how many sequences the checks of pgregory.net/rapid draw, unless its flag says otherwise.
const rapidChecks = 20

// Rapid makes rapid draw fewer sequences than its default of 100, unless tests run at full size. A TestMain of a package
// that uses rapid calls it before m.Run, which reads the flags: -rapid.checks wins. In a program without rapid it panics.
func Rapid() {
	if !Full() {
		set("rapid.checks", rapidChecks)
	}
}

// AtOnce lets n parallel tests of a package run at once, in place of one for each processor: for tests that wait most of
// the time. A TestMain calls it before m.Run, which reads the flags: -test.parallel wins.
func AtOnce(n int) { set("test.parallel", n) }

func set(name string, value int) {
	if err := flag.Set(name, strconv.Itoa(value)); err != nil {
		panic(err)
	}
}
