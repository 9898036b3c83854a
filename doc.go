/*
Package stacksync is the server side of a personal cloud, as a library: it keeps the metadata of
files consistent between the devices of its users, keeps a change log for each workspace, tells
devices what changed, and looks after the storage of the content. The host program brings transport,
login and user interface.

# Setting up

Package service has the implementation of [SyncService]. It is made of a [MetadataStore], which is
required, and of what its Config names: a [StorageProvisioner] for content and a [Notifier] for
hints. The packages below metastore, backend and notify implement these; a program compiles those it
imports. This package itself is the contract and the rule book ([Rules]): it has no goroutine, no
I/O and no clock, and is all that a client or a stub needs.

	store, err := sqlite.Open(ctx, "meta.db", sqlite.Config{})
	chunks, err := dir.Open(ctx, "chunks", dir.Config{})
	svc, err := service.New(store, service.Config{Storage: chunks, Notifier: local.New(local.Config{})})

The host calls [Accounts.PutUser] for each user who logs in, which makes a workspace and its
container for a new one, and [Devices.RegisterDevice] for each device. From then on each request
names its [Actor]: the host has authenticated them, the service checks what they may do.

# Content, then metadata

A device cuts a file into chunks, asks with [Transfers.PrepareUpload] which of them are not stored
yet, uploads these, and then commits a [Proposal]: the item's next version, with the list of its
chunks. The answer says how content travels ([Via]): by signed requests that the device sends to the
storage itself, through the host, or with an account at the storage. A commit whose chunks are not
stored is refused with their names. So a rename uploads nothing, and a file that exists already
costs only its metadata.

# The contract of a commit

A proposal says which version it makes: 1 for a new item, the one the device has plus one otherwise.
If the server has moved on meanwhile, the outcome is a conflict that carries the server's item.
Exactly one of several concurrent proposals for a version wins. Beyond that a commit keeps the tree
a tree: parents exist and are live folders, no folder lies below itself, names are unique in their
folder. An [Outcome] of success is only given for what is durable; after a definite error nothing
was saved; and a commit that is sent again, because its answer was lost, gets the same answer and
saves nothing twice. docs/design.md has the rules in full.

What is wrong with a whole request is an error of the call. What is wrong with one proposal is in
its outcome, and harms no other, unless [CommitRequest.Atomic] asks for all or nothing.

A host whose own rows are in the same database saves them together with a commit by
service.Service.CommitIn.

# The change log

Each saved version takes the next revision of its workspace. [Feed.Changes] reads pages from a
[Cursor], and [Feed.Follow] goes on with what comes live:

	for page, err := range svc.Follow(ctx, stacksync.FollowRequest{Actor: actor, Workspace: ws, Cursor: saved}) {
		// on err: look for a *CursorError, it names the remedy
		// apply page.Items in order, then save page.Cursor
	}

Following the cursor to the end gives exactly the current tree. A device that was away for a year
reads what changed, not what exists.

# Sharing

[Sharing.ShareFolder] turns a folder into a workspace of its own, whose members have a [Role] and a
mount each. It, and what else takes many steps, is an [Operation]: recorded before its first step,
and finished by whatever process lives. Its caller gets an [OperationError] where it is not done.
[Workspaces.FollowWorkspaces] tells a device which workspaces there are for its user. docs/design.md
says what comes of changes that meet.

[Accounts] and [OperationsAdmin] are for the host itself, and have no [Actor]: a transport must not
pass them on.

# Errors

Errors are found with [errors.Is] by family ([ErrInvalid], [ErrNotFound], [ErrForbidden],
[ErrConflict], [ErrCursor], [ErrQuotaExceeded], [ErrBusy], [ErrUncertain], [ErrClosed]) or by the
specific sentinel that wraps it, say [ErrUndone], and their details with [errors.As]: [FieldError],
[ItemError], [QuotaError], [ChunksMissingError], [CursorError], [MovedError],
[SharedWorkspacesError], [OperationError]. What exists but is not the actor's is not found. After
ErrBusy nothing was saved, and the call may succeed later; after ErrUncertain it may have been
saved, and is sent again.

# Writing a back-end

The comments of [MetadataStore], [Notifier] and [StorageProvisioner] are their contracts, and the
packages metastoretest, notifytest and backendtest check them, each in one line of a test. A store
knows no rule of the commit: it keeps rows.
*/
package stacksync
