// Package move carries the items of a folder from one workspace to another: into the workspace that
// a folder is shared as, and back when it is shared no more.
//
// It owns the steps of the operations OperationShare and OperationReturn that are about items,
// chunks and containers, what those operations keep (Payload), and the ids and names that items get
// where others have theirs already. It must not know who may share a folder, nor how a member is
// made: service hands that in (Mover.Join).
package move
