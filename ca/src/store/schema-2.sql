-- Version 2: keys that are known to be compromised, and get no certificate any more.
CREATE TABLE compromised_key (
    digest BLOB PRIMARY KEY NOT NULL      -- SHA-256 of the SubjectPublicKeyInfo
) STRICT, WITHOUT ROWID;
