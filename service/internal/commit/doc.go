// Package commit saves commits: it loads what the rules of the root package ask for, has them
// decide, and saves what they decide, for many commits in one transaction.
//
// It owns batches that fail and are tried apart, locks, and what is loaded (load.go). The rules
// themselves are stacksync.Rules; it must not decide anything that they could.
package commit
