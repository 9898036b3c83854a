-- How far followers were told of the change log, and from when on everybody may tell them of the rest (microseconds; NULL: nothing
-- is owed). What there is already is not owed a hint: whoever follows it polls.
ALTER TABLE workspaces ADD COLUMN notified INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workspaces ADD COLUMN hint_due INTEGER;
UPDATE workspaces SET notified = revision;
CREATE INDEX workspaces_owing ON workspaces (hint_due) WHERE hint_due IS NOT NULL;
