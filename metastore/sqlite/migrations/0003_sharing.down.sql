DROP TABLE operations;
ALTER TABLE item_versions DROP COLUMN moved_to;
ALTER TABLE items DROP COLUMN moved_to;
-- An invitation gives no right: without the column it would.
DELETE FROM members WHERE pending;
ALTER TABLE members DROP COLUMN key_generation;
ALTER TABLE members DROP COLUMN sealed_key;
ALTER TABLE members DROP COLUMN pending;
DROP INDEX workspaces_owner;
ALTER TABLE workspaces DROP COLUMN size;
ALTER TABLE workspaces DROP COLUMN frozen_until;
ALTER TABLE workspaces DROP COLUMN key_generation;
ALTER TABLE workspaces DROP COLUMN encrypted;
ALTER TABLE workspaces DROP COLUMN folder_id;
DROP INDEX users_owing;
ALTER TABLE users DROP COLUMN hint_due;
ALTER TABLE users DROP COLUMN notified;
ALTER TABLE users DROP COLUMN revision;
