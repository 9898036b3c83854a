//go:build !unix

package pgtest

import "os/exec"

// guard does nothing here: a server outlives a test process that is killed before it stops it.
type guard struct{}

func newGuard(*cluster) (*guard, error) { return nil, nil }

func (*guard) dismiss() error { return nil }
func (*guard) fire() error    { return nil }

func asServerUser(*exec.Cmd) error { return nil }
func giveAway(string) error        { return nil }
