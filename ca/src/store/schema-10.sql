-- Version 10: every certificate of a key is found, whatever it names, and every proof of control of an identifier.
ALTER TABLE certificate ADD COLUMN key_digest BLOB;   -- SHA-256 of the SubjectPublicKeyInfo in tbs; none once that is erased
CREATE INDEX certificate_key ON certificate (key_digest) WHERE key_digest IS NOT NULL;
CREATE INDEX authorization_for ON authorization (identifier);
