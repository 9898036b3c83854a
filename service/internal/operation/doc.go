// Package operation is the engine of journaled operations: it records them, works them off step by
// step, and takes on those that another process has left.
//
// It owns leases, fences, progress, waits and stops (see Task). What the steps of a kind do, and
// what a kind keeps in Operation.Data, is handed in as a Plan: the engine must not know folders,
// members or accounts.
//
// The life of an operation: a transaction records it with Fence 1 and a lease (Engine.Record); once
// that is committed, Engine.Start works on it in a goroutine of this process, which reports every 2
// seconds (task.go). When the process ends, the lease does too, and the worker of another process
// claims the operation with the next Fence (claim.go). A worker that has lost its lease finds
// another Fence in its next transaction, which is then not saved (errFenced).
package operation
