// Package move carries the items of a folder from one workspace to another: into the workspace that
// a folder is shared as, and back when the folder is shared no more.
//
// It owns the steps of the operations OperationShare and OperationReturn that are about items,
// chunks and containers, the payload of these operations (Payload), and the ids and names that
// items get where other items have theirs. In its comments the source is the workspace that items
// leave, and the target is the workspace that they come to. It must not know who may share a
// folder, nor how a member is made: service hands that in (Mover.Join).
package move
