//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package pgtest

// Packages share no server here, where files have no locks that end with their process: each process has one of its own.

func keepIfAsked() {}

func joinRun() (*Server, error) {
	s, err := start(Options{})
	if err != nil {
		return nil, err
	}
	s.shared = true
	return s, nil
}
