// Package device is a sync client: it keeps a folder on disk equal to a workspace of a stacksync.SyncService.
//
//	d, err := device.Open(service, device.Config{Actor: actor, Workspace: workspace, Dir: dir})
//	if err != nil { … }
//	defer d.Close()
//	report, err := d.Sync(ctx) // once
//	err = d.Run(ctx)           // until ctx ends
//
// It needs no more than Commit, Changes, Follow and the transfer calls of the service, so it works as well over a stub that reaches a
// service elsewhere.
//
// # Three trees
//
// What is on disk, what is on the server, and what both had in common when they last agreed: that third one is the device's
// memory, a record for each item (its version, place and content there; the stamp of the file here). Whatever differs from
// the record has changed since, here or there or both, so that a file that is missing here is known to be deleted here, or new there.
//
// A round of Sync has three parts, and Sync repeats rounds until one has nothing to send:
//
//  1. scan: read the folder into a tree, and find out which item each thing is: what lies where an item was is that item;
//     of the rest, what has the inode or the content of an item that is missing was moved. A file whose size, times and inode
//     are those of the record is not read again.
//  2. pull: take over the change log, page by page. Each version changes on disk what it changes in the record, and
//     replaces the record. What was changed here stays as it is, and so differs from the new record.
//  3. push: propose all differences between the tree and the records, upload what the server lacks of their content, and
//     commit. A proposal that is refused because somebody was faster is made anew in the next round, after a pull.
//
// # Conflicts
//
// Place and content of an item are merged apart: one device renames a file, another edits it, and both have both. Where both changed
// the same:
//
//   - content: the one that was committed first has the name, the other is kept beside it as "name (conflicted copy of
//     DEVICE DATE).ext", a new item. Equal content is no conflict.
//   - place: the server's wins.
//   - one name for two new things: equal files and folders become one; else the later one gets the name of a conflicted copy.
//   - a change and a deletion: the change wins. What is deleted on the server and changed here stays, as a new item.
//
// A folder is deleted with everything in it. What another device puts into it between this device's last look and its commit is
// deleted along; the server keeps it as an old version.
//
// # Content
//
// Files are cut where their content says (see eachChunk), and chunks are named by their SHA-256, so that a change in a large file
// sends and fetches only what is new. A fetched file is put together in the state folder, from chunks of files that are here and from
// the server, checked, made durable, and renamed to its place. Before anything on disk is replaced, moved or removed,
// it is compared once more with the scan.
//
// Content goes as the service says: through it (stacksync.ViaHost), or by signed requests straight to the storage
// (stacksync.ViaSigned). Those are prepared for many chunks at once, and anew for the chunks that are left when they have expired: see
// queue. What the storage can't do at the moment is tried again a few times, and then by the next Sync.
//
// # Crashes
//
// The state folder, ".stacksync" in the synced folder, has a journal of the records and the cursor. Disk first, then journal: what
// was done and not noted is found to be done already when it is done again. A commit is noted before it is sent, and sent again,
// unchanged, until it has been answered; since the service gives the same answer to the same commit, it is certain what was saved
// even if the answer was lost. What is in the way of something else (two files that swap their names) waits in the state folder,
// under the id of its item, and gets its place by the end of the pull.
//
// # Shared folders
//
// A device keeps one workspace. When a folder of it is shared (Sharing.ShareFolder), the folder ends there with tombstones that have
// MovedTo, and the device removes its files from this folder, as after a deletion. Whoever runs devices follows the workspaces of the
// user (Workspaces.FollowWorkspaces), and gives the new workspace a device and a folder of its own, where its mount says:
// examples/sharing does so, and moves the files there before this device sees the tombstones, so that none is fetched again.
//
// # Limits
//
// Only files and folders are synced, of their modes only the executable bit. Links and special files are left alone and
// counted. An item whose name is impossible on this disk has another one here. Hard links become files of their own. Changes of
// the disk are found by scanning, so a Sync takes time in proportion to the number of files (about 10 µs each).
package device
