/*
Package stacksync is the server side of a personal cloud, as a library. It keeps the metadata of
files consistent between the devices of its users, keeps a change log for each workspace, tells
devices what changed, and looks after the storage of the content. The host program brings transport,
login and user interface.

# Setting up

Package service implements [SyncService]. Its function New takes a [MetadataStore], which is
required, and a Config, which may name a [StorageProvisioner] for content and a [Notifier] for
hints. The packages below metastore, backend and notify implement these interfaces; a program
compiles only those that it imports.

	store, err := sqlite.Open(ctx, "meta.db", sqlite.Config{})
	chunks, err := dir.Open(ctx, "chunks", dir.Config{})
	svc, err := service.New(store, service.Config{Storage: chunks, Notifier: local.New(local.Config{})})

This package is the contract and the rule book ([Rules]). It starts no goroutine, does no I/O, and
its rules read no clock. A client or a stub needs no other package.

The host calls [Accounts.PutUser] for each user who logs in; for a new user that makes a workspace
and its container. It calls [Devices.RegisterDevice] for each device. From then on each request
names its [Actor]: the host has authenticated the user and the device, and the service checks what
they may do.

# Content, then metadata

A device cuts a file into chunks and asks with [Transfers.PrepareUpload] which of them are not
stored yet. It uploads these, and then commits a [Proposal]: the item's next version, with the list
of its chunks. The answer of PrepareUpload says how content travels ([Via]): by signed requests that
the device sends to the storage itself, through the host, or with an account at the storage. A
commit whose chunks are not stored is refused with their names. So a rename uploads nothing, and a
file whose chunks are stored already costs only its metadata.

# The contract of a commit

A proposal says which version it makes: version 1 makes a new item; of an existing item it is the
version that the device has, plus one. If the server has another current version by then, the
outcome is a conflict that carries the server's item. Of several concurrent proposals for one
version exactly one wins. A commit also keeps the tree a tree: parents exist and are live folders,
no folder lies below itself, and names are unique in their folder.

An [Outcome] of success is given only for a version that is durable. After a definite error nothing
was saved. A commit that is sent again, because its answer was lost, gets the same answer and saves
nothing twice. docs/design/commit.md has the rules in full.

If the request as a whole is wrong, the call returns an error. If one proposal is wrong, its outcome
says so, and the other proposals are saved all the same, unless [CommitRequest.Atomic] asks for all
or none.

A host that keeps rows of its own in the same database can save them together with a commit: see
service.Service.CommitIn.

# The change log

Each saved version takes the next revision of its workspace. [Feed.Changes] reads pages from a
[Cursor] on, and [Feed.Follow] goes on with live changes:

	for page, err := range svc.Follow(ctx, stacksync.FollowRequest{Actor: actor, Workspace: ws, Cursor: saved}) {
		// on err: look for a *CursorError, it names the remedy
		// apply page.Items in order, then save page.Cursor
	}

Following the cursor to the end gives exactly the current tree. A device that was away for a year
reads what changed meanwhile, not the whole tree.

# Sharing

[Sharing.ShareFolder] turns a folder into a workspace of its own, whose members have a [Role] and a
mount each. A call that takes many steps, as this one, is an [Operation]: the service records it
before its first step, and any process that lives can finish it. While the operation is not done its
caller gets an [OperationError]. [Workspaces.FollowWorkspaces] tells a device which workspaces its
user has. docs/design/sharing.md says what becomes of changes that are made at the same time.

[SyncService] is what clients may call. [HostService] is for the host itself and names no [Actor]: a
transport must not pass it on.

# Errors

Each error belongs to a family, which [errors.Is] finds: [ErrInvalid], [ErrNotFound],
[ErrForbidden], [ErrConflict], [ErrCursor], [ErrQuotaExceeded], [ErrAborted], [ErrFoldCase],
[ErrBusy], [ErrUncertain], [ErrDamaged] or [ErrClosed]. Specific sentinels, say [ErrUndone], wrap
their family. [errors.As] finds details: [FieldError], [ItemError], [QuotaError],
[ChunksMissingError], [CursorError], [MovedError], [SharedWorkspacesError], [OperationError].
Workspaces, items and operations that exist, but which the actor may not see, are reported as not
found. After ErrBusy nothing was saved, and the call may succeed later. After ErrUncertain the call
may have been saved: send it again.

# Writing a back-end

The comments of [MetadataStore], [Notifier] and [StorageProvisioner] are their contracts. The
packages metastoretest, notifytest and backendtest check them, each in one line of a test. A store
keeps rows and knows no rule of the commit.
*/
package stacksync
