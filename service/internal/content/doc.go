// Package content is how content gets into and out of the container of a workspace, and which
// chunks are known to be stored.
//
// It owns the ways (vias.go), what a client has to upload (prepare.go), transfers through the host,
// and the look-up of chunks for commits. It must not know what a commit does with its chunks, nor
// who is a member.
package content
