DROP TABLE operations;
ALTER TABLE chunks ALTER COLUMN workspace_id RESET (n_distinct);
ALTER TABLE item_versions ALTER COLUMN workspace_id RESET (n_distinct);
ALTER TABLE item_versions DROP COLUMN moved_to;
ALTER TABLE items DROP COLUMN moved_to;
-- An invitation gives no right: without the column it would.
DELETE FROM members WHERE pending;
ALTER TABLE members DROP COLUMN pending, DROP COLUMN sealed_key, DROP COLUMN key_generation;
DROP INDEX users_owing;
ALTER TABLE users DROP COLUMN revision, DROP COLUMN notified, DROP COLUMN hint_due;
DROP INDEX workspaces_owner;
ALTER TABLE workspaces DROP COLUMN folder_id, DROP COLUMN encrypted, DROP COLUMN key_generation, DROP COLUMN frozen_until, DROP COLUMN size;
