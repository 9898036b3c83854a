// Package content hands out ways to the content in the container of a workspace, and knows which
// chunks are stored.
//
// It owns the ways (vias.go), the answer what a client has to upload (prepare.go), transfers
// through the host (transfer.go), and the look-up of chunks for commits (chunks.go). It must not
// know what a commit does with its chunks, nor how somebody becomes a member.
package content
