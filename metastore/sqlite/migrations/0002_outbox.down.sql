DROP INDEX workspaces_owing;
ALTER TABLE workspaces DROP COLUMN hint_due;
ALTER TABLE workspaces DROP COLUMN notified;
