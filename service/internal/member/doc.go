// Package member keeps the rosters of workspaces, and the names under which members mount them.
//
// It owns who must be locked to change a roster, which keys and mounts a new member gets, and which
// name of a mount is free (mount.go). It must not know who may change a roster, what the storage is
// told of it, nor how items move.
package member
