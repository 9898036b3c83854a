// Package hint tells followers that something has changed, and sees to it that they are told.
//
// The change log is the outbox: a workspace or a user whose revision is ahead of its Notified owes
// a hint. Whoever commits publishes at once (publish.go) and notes what was sent (mark.go); the
// relay of any process sends what a crash has left over (relay.go). Where a hint comes to be owed
// stands in the room session.
//
// It must not know what a commit or an operation is.
package hint
