// Package commit saves commits: it loads the rows that the rules of the root package ask for, lets
// the rules decide, and saves their decisions, for many commits in one transaction.
//
// It owns locks, the choice of rows to load (load.go), and batches that fail and are tried apart
// (commit.go). It must not decide anything that stacksync.Rules could decide.
package commit
