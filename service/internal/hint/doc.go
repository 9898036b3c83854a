// Package hint sends hints: it tells followers that something has changed.
//
// The change log is the outbox: a workspace or a user whose Revision is ahead of its Notified owes
// a hint. The committing process publishes the hint at once (publish.go) and notes that it was sent
// (mark.go). The relay of any process sends the hints that a crash has left over (relay.go).
// Package session decides when a hint is owed.
//
// It must not know what a commit or an operation is.
package hint
