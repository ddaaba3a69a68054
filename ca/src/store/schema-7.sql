-- Version 7: by which of its challenges an authorization was proven. So far there was one.
ALTER TABLE authorization ADD COLUMN proven_by TEXT;
UPDATE authorization SET proven_by = 'email-code-00' WHERE validated IS NOT NULL;
