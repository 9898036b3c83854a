-- Times are microseconds since 1970 (NULL: none), numbers of kinds, statuses and roles those of the Go constants. Text is compared by its
-- bytes. All keys but those of users and devices begin with the workspace, so that tables can be spread by it.
-- Foreign keys guard accounts and memberships. Items, versions and chunks have none: the service keeps what they refer to,
-- under a lock, and each key would cost the commit one more lookup for every row it saves.

-- Rows that are updated again and again leave room in their page, so that a new row version needs no new index entries.
CREATE TABLE users (
	id                   text COLLATE "C" NOT NULL PRIMARY KEY,
	default_workspace_id uuid   NOT NULL,
	quota_limit          bigint NOT NULL,
	quota_used           bigint NOT NULL,
	created_at           bigint
) WITH (fillfactor = 70);

CREATE TABLE devices (
	user_id    text COLLATE "C" NOT NULL REFERENCES users,
	device_id  uuid    NOT NULL,
	name       text COLLATE "C" NOT NULL,
	revoked    boolean NOT NULL,
	created_at bigint,
	PRIMARY KEY (user_id, device_id)
);

CREATE TABLE workspaces (
	id          uuid    NOT NULL PRIMARY KEY,
	owner_id    text COLLATE "C" NOT NULL REFERENCES users,
	container   text COLLATE "C" NOT NULL,
	revision    bigint  NOT NULL,
	floor       bigint  NOT NULL,
	epoch       bigint  NOT NULL,
	provisioned boolean NOT NULL,
	fold_case   boolean NOT NULL,
	created_at  bigint,
	notified    bigint  NOT NULL,
	hint_due    bigint
) WITH (fillfactor = 70);

-- The workspaces that owe a hint. It does not name the revision: a commit to one that owes already leaves the index alone.
CREATE INDEX workspaces_owing ON workspaces (hint_due) WHERE hint_due IS NOT NULL;

CREATE TABLE members (
	workspace_id    uuid     NOT NULL REFERENCES workspaces,
	user_id         text COLLATE "C" NOT NULL REFERENCES users,
	role            smallint NOT NULL,
	mount_name      text COLLATE "C" NOT NULL,
	mount_parent_id uuid     NOT NULL,
	joined_at       bigint,
	PRIMARY KEY (workspace_id, user_id)
);

CREATE INDEX members_user ON members (user_id, workspace_id);

-- The current version of each item, tombstones too.
CREATE TABLE items (
	workspace_id uuid     NOT NULL,
	item_id      uuid     NOT NULL,
	version      bigint   NOT NULL,
	revision     bigint   NOT NULL,
	status       smallint NOT NULL,
	deleted      boolean  NOT NULL,
	parent_id    uuid     NOT NULL,
	name         text COLLATE "C" NOT NULL,
	name_key     text COLLATE "C" NOT NULL,
	kind         smallint NOT NULL,
	size         bigint   NOT NULL,
	checksum     text COLLATE "C" NOT NULL,
	chunks       bytea,
	media_type   text COLLATE "C" NOT NULL,
	modified_at  bigint,
	attrs        bytea,
	user_id      text COLLATE "C" NOT NULL,
	device_id    uuid     NOT NULL,
	committed_at bigint,
	PRIMARY KEY (workspace_id, item_id)
);

-- Hashes can't be compressed: trying takes time.
ALTER TABLE items ALTER COLUMN chunks SET STORAGE EXTERNAL;

-- The change log. That it is partial, though it has all rows, keeps it from being taken for a way to an item by its id: while a table is small,
-- the planner takes all indexes that begin with the workspace for equally good.
CREATE INDEX items_log ON items (workspace_id, revision) WHERE revision > 0;

-- For the same reason: a workspace has many items, also where most have few. (Rows for each distinct value, of which the planner
-- takes the average, come from ANALYZE.)
ALTER TABLE items ALTER COLUMN workspace_id SET (n_distinct = -0.01);

-- Folders. Not UNIQUE: the service keeps names unique, and in one commit two items may swap theirs.
CREATE INDEX items_folder ON items (workspace_id, parent_id, name_key) WHERE NOT deleted;

-- The versions that were current before.
CREATE TABLE item_versions (LIKE items INCLUDING STORAGE, PRIMARY KEY (workspace_id, item_id, version));

-- The name is written as in the chunk lists: its length times two, then its bytes, or, with one added, what it is in hex.
CREATE TABLE chunks (
	workspace_id uuid   NOT NULL,
	name         bytea  NOT NULL,
	size         bigint NOT NULL,
	PRIMARY KEY (workspace_id, name)
);
