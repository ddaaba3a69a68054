-- From version 3 to 2: a mail that is under way counts as failed, so that it is asked for again.
ALTER TABLE authorization ADD COLUMN mail_error TEXT;
UPDATE authorization SET mail_error = 'failed' WHERE code_handover IN ('failed', 'under way');
ALTER TABLE authorization DROP COLUMN code_handover;
