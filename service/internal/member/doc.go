// Package member keeps the rosters of workspaces, and the names under which members mount them.
//
// It owns which users must be locked to change a roster (roster.go), who of the invited is a user
// (guests.go), which keys a new member gets (key.go), and which name of a mount is free (mount.go).
// It must not know who may change a roster, what the storage is told of it, nor how items move.
package member
