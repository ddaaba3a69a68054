-- Version 3: what became of a code's mail, so that a crash between the two leaves no code that nobody can type.
ALTER TABLE authorization ADD COLUMN code_handover TEXT;   -- under way, done, failed; with code_hash
UPDATE authorization SET code_handover = iif(mail_error IS NULL, 'done', 'failed') WHERE code_hash IS NOT NULL;
ALTER TABLE authorization DROP COLUMN mail_error;
