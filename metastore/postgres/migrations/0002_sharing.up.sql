-- Columns that are added have defaults that PostgreSQL need not write into the rows. Workspaces come first, since transactions lock theirs
-- before anything else: who works beside this waits, and meets no deadlock.

-- A workspace that was a folder of its owner's names that folder (NULL: none).
ALTER TABLE workspaces
	ADD COLUMN folder_id      uuid,
	ADD COLUMN encrypted      boolean NOT NULL DEFAULT false,
	ADD COLUMN key_generation bigint  NOT NULL DEFAULT 0,
	ADD COLUMN frozen_until   bigint,
	ADD COLUMN size           bigint  NOT NULL DEFAULT 0;

-- What the live items of a workspace have together.
UPDATE workspaces SET size = live.size
	FROM (SELECT workspace_id, sum(size)::bigint AS size FROM items WHERE NOT deleted GROUP BY workspace_id) AS live
	WHERE workspaces.id = live.workspace_id AND live.size <> 0;

-- A user who is removed must own nothing: that is looked up here.
CREATE INDEX workspaces_owner ON workspaces (owner_id);

-- Users are told of what changes in their rights, as followers are of workspaces. Nobody is owed anything yet.
ALTER TABLE users
	ADD COLUMN revision bigint NOT NULL DEFAULT 0,
	ADD COLUMN notified bigint NOT NULL DEFAULT 0,
	ADD COLUMN hint_due bigint;

-- The users that owe a hint, in the order in which they are claimed: each is locked when it is looked at, so that none must be sorted.
CREATE INDEX users_owing ON users (hint_due, id) WHERE hint_due IS NOT NULL;

ALTER TABLE members
	ADD COLUMN pending        boolean NOT NULL DEFAULT false,
	ADD COLUMN sealed_key     text COLLATE "C" NOT NULL DEFAULT '',
	ADD COLUMN key_generation bigint  NOT NULL DEFAULT 0;

-- The workspace that an item has gone to (NULL: none).
ALTER TABLE items ADD COLUMN moved_to uuid;
ALTER TABLE item_versions ADD COLUMN moved_to uuid;

-- As of items: a workspace has many rows, also where most have few. They are read by workspace alone when it is purged.
ALTER TABLE item_versions ALTER COLUMN workspace_id SET (n_distinct = -0.01);
ALTER TABLE chunks ALTER COLUMN workspace_id SET (n_distinct = -0.01);

-- What takes several transactions. No foreign keys: the record of how a workspace was removed outlives it. created_at and due are never
-- NULL, since rows are ordered by them.
CREATE TABLE operations (
	id           uuid     NOT NULL PRIMARY KEY,
	kind         text COLLATE "C" NOT NULL,
	user_id      text COLLATE "C" NOT NULL,
	workspace_id uuid     NOT NULL,
	source_id    uuid,
	state        smallint NOT NULL,
	step         text COLLATE "C" NOT NULL,
	done         bigint   NOT NULL,
	total        bigint   NOT NULL,
	tries        bigint   NOT NULL,
	error        text COLLATE "C" NOT NULL,
	created_at   bigint   NOT NULL,
	updated_at   bigint,
	data         text COLLATE "C" NOT NULL,
	due          bigint   NOT NULL,
	fence        bigint   NOT NULL
);

CREATE INDEX operations_running ON operations (due, id) WHERE state = 1;
CREATE INDEX operations_stopped ON operations (created_at, id) WHERE state = 3;
CREATE INDEX operations_workspace ON operations (workspace_id, created_at, id);
CREATE INDEX operations_source ON operations (source_id, created_at, id) WHERE source_id IS NOT NULL;
CREATE INDEX operations_user ON operations (user_id, created_at, id);
