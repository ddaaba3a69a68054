-- From version 10 to 9: the way up finds the keys again in the certificates.
DROP INDEX authorization_for;
DROP INDEX certificate_key;
ALTER TABLE certificate DROP COLUMN key_digest;
