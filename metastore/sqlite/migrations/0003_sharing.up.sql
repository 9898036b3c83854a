-- Users are told of what changes in their rights, as followers are of workspaces. Nobody is owed anything yet.
ALTER TABLE users ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN notified INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN hint_due INTEGER;
CREATE INDEX users_owing ON users (hint_due) WHERE hint_due IS NOT NULL;

-- A workspace that was a folder of its owner's names that folder (NULL: none).
ALTER TABLE workspaces ADD COLUMN folder_id BLOB;
ALTER TABLE workspaces ADD COLUMN encrypted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workspaces ADD COLUMN key_generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workspaces ADD COLUMN frozen_until INTEGER;

-- What the live items of a workspace have together.
ALTER TABLE workspaces ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
UPDATE workspaces SET size = live.size
	FROM (SELECT workspace_id, sum(size) AS size FROM items WHERE NOT deleted GROUP BY workspace_id) AS live WHERE workspaces.id = live.workspace_id;

-- A user who is removed must own nothing: that is looked up here.
CREATE INDEX workspaces_owner ON workspaces (owner_id);

ALTER TABLE members ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN sealed_key TEXT NOT NULL DEFAULT '';
ALTER TABLE members ADD COLUMN key_generation INTEGER NOT NULL DEFAULT 0;

-- The workspace that an item has gone to (NULL: none).
ALTER TABLE items ADD COLUMN moved_to BLOB;
ALTER TABLE item_versions ADD COLUMN moved_to BLOB;

-- What takes several transactions. No foreign keys: the record of how a workspace was removed outlives it. The rows may be long (data),
-- so that the key has a tree of its own. created_at and due are never NULL, since rows are ordered by them.
CREATE TABLE operations (
	id           BLOB    NOT NULL PRIMARY KEY,
	kind         TEXT    NOT NULL,
	user_id      TEXT    NOT NULL,
	workspace_id BLOB    NOT NULL,
	source_id    BLOB,
	state        INTEGER NOT NULL,
	step         TEXT    NOT NULL,
	done         INTEGER NOT NULL,
	total        INTEGER NOT NULL,
	tries        INTEGER NOT NULL,
	error        TEXT    NOT NULL,
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER,
	data         TEXT    NOT NULL,
	due          INTEGER NOT NULL,
	fence        INTEGER NOT NULL
) STRICT;

CREATE INDEX operations_running ON operations (due, id) WHERE state = 1;
CREATE INDEX operations_stopped ON operations (created_at, id) WHERE state = 3;
CREATE INDEX operations_workspace ON operations (workspace_id, created_at, id);
CREATE INDEX operations_source ON operations (source_id, created_at, id) WHERE source_id IS NOT NULL;
CREATE INDEX operations_user ON operations (user_id, created_at, id);
