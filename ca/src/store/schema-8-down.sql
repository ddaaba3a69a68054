-- From version 8 to 7: who typed a code from a text message proves control anew.
UPDATE authorization SET status = 'deactivated' WHERE status = 'valid' AND proven_by = 'sms-code-00';
UPDATE authorization SET proven_by = NULL WHERE proven_by = 'sms-code-00';
DROP TABLE spending;
