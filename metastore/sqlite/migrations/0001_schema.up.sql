-- Ids are 16 bytes, times microseconds since 1970 (NULL: none), numbers of kinds, statuses and roles those of the Go constants.
-- Foreign keys guard accounts and memberships. Items, versions and chunks have none: the service keeps what they refer to,
-- under a lock, and each key would cost the commit one more lookup for every row it saves.

CREATE TABLE users (
	id                   TEXT    NOT NULL PRIMARY KEY,
	default_workspace_id BLOB    NOT NULL,
	quota_limit          INTEGER NOT NULL,
	quota_used           INTEGER NOT NULL,
	created_at           INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
	user_id    TEXT    NOT NULL REFERENCES users,
	device_id  BLOB    NOT NULL,
	name       TEXT    NOT NULL,
	revoked    INTEGER NOT NULL,
	created_at INTEGER,
	PRIMARY KEY (user_id, device_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE workspaces (
	id          BLOB    NOT NULL PRIMARY KEY,
	owner_id    TEXT    NOT NULL REFERENCES users,
	container   TEXT    NOT NULL,
	revision    INTEGER NOT NULL,
	floor       INTEGER NOT NULL,
	epoch       INTEGER NOT NULL,
	provisioned INTEGER NOT NULL,
	fold_case   INTEGER NOT NULL,
	created_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
	workspace_id    BLOB    NOT NULL REFERENCES workspaces,
	user_id         TEXT    NOT NULL REFERENCES users,
	role            INTEGER NOT NULL,
	mount_name      TEXT    NOT NULL,
	mount_parent_id BLOB    NOT NULL,
	joined_at       INTEGER,
	PRIMARY KEY (workspace_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_user ON members (user_id, workspace_id);

-- The current version of each item, tombstones too. The rows are long, so that the key has a tree of its own: looking up
-- what is not there, as a commit of new items does, takes half the time that it takes WITHOUT ROWID.
CREATE TABLE items (
	workspace_id BLOB    NOT NULL,
	item_id      BLOB    NOT NULL,
	version      INTEGER NOT NULL,
	revision     INTEGER NOT NULL,
	status       INTEGER NOT NULL,
	deleted      INTEGER NOT NULL,
	parent_id    BLOB    NOT NULL,
	name         TEXT    NOT NULL,
	name_key     TEXT    NOT NULL,
	kind         INTEGER NOT NULL,
	size         INTEGER NOT NULL,
	checksum     TEXT    NOT NULL,
	chunks       BLOB,
	media_type   TEXT    NOT NULL,
	modified_at  INTEGER,
	attrs        BLOB,
	user_id      TEXT    NOT NULL,
	device_id    BLOB    NOT NULL,
	committed_at INTEGER,
	PRIMARY KEY (workspace_id, item_id)
) STRICT;

-- The change log. deleted lets a first synchronisation pass over tombstones without reading them.
CREATE INDEX items_log ON items (workspace_id, revision, deleted);

-- Folders. Not UNIQUE: the service keeps names unique, and in one commit two items may swap theirs.
CREATE INDEX items_folder ON items (workspace_id, parent_id, name_key) WHERE NOT deleted;

-- The versions that were current before.
CREATE TABLE item_versions (
	workspace_id BLOB    NOT NULL,
	item_id      BLOB    NOT NULL,
	version      INTEGER NOT NULL,
	revision     INTEGER NOT NULL,
	status       INTEGER NOT NULL,
	deleted      INTEGER NOT NULL,
	parent_id    BLOB    NOT NULL,
	name         TEXT    NOT NULL,
	name_key     TEXT    NOT NULL,
	kind         INTEGER NOT NULL,
	size         INTEGER NOT NULL,
	checksum     TEXT    NOT NULL,
	chunks       BLOB,
	media_type   TEXT    NOT NULL,
	modified_at  INTEGER,
	attrs        BLOB,
	user_id      TEXT    NOT NULL,
	device_id    BLOB    NOT NULL,
	committed_at INTEGER,
	PRIMARY KEY (workspace_id, item_id, version)
) STRICT;

-- The name is written as in the chunk lists: its length times two, then its bytes, or, with one added, what it is in hex.
CREATE TABLE chunks (
	workspace_id BLOB    NOT NULL,
	name         BLOB    NOT NULL,
	size         INTEGER NOT NULL,
	PRIMARY KEY (workspace_id, name)
) STRICT, WITHOUT ROWID;
