// Package operation is the engine of journaled operations: it records them, works on them step by
// step, and takes over those whose process has gone.
//
// It owns leases, fences, progress, waits and stops (see Task). A Plan says what the steps of a
// kind do, and what a kind keeps in Operation.Data; service hands in the plans. The engine must not
// know folders, members or accounts.
//
// The life of an operation: a transaction records it with Fence 1 and a lease of 30 seconds
// (Engine.Record). Once that is committed, Engine.Start works on it in a goroutine of this process,
// which renews the lease every 2 seconds (task.go). When the process dies, the lease ends, and the
// worker of another process claims the operation with the next Fence (claim.go). A worker that has
// lost its lease finds another Fence in its next transaction, which then saves nothing (errFenced).
package operation
