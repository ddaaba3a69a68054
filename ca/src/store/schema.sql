-- Version 1; later ones are in schema-2.sql. Times are seconds since the epoch. Identifiers stand here and in no log line.
CREATE TABLE account (
    id         TEXT PRIMARY KEY NOT NULL,
    revision   INTEGER NOT NULL,
    key        TEXT NOT NULL,             -- canonical JWK
    thumbprint TEXT NOT NULL UNIQUE,
    contact    TEXT NOT NULL,             -- JSON list of URLs
    status     TEXT NOT NULL,
    created    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE authorization (
    id            TEXT PRIMARY KEY NOT NULL,
    revision      INTEGER NOT NULL,
    account       TEXT NOT NULL REFERENCES account (id),
    identifier    TEXT NOT NULL,
    status        TEXT NOT NULL,
    expires       INTEGER NOT NULL,
    validated     INTEGER,
    code_hash     BLOB,
    code_expires  INTEGER,
    code_tries    INTEGER,
    mail_error    TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX authorization_of ON authorization (account, identifier, status);
CREATE INDEX authorization_expires ON authorization (expires);

-- "order" is a word of SQL.
CREATE TABLE acme_order (
    id            TEXT PRIMARY KEY NOT NULL,
    revision      INTEGER NOT NULL,
    account       TEXT NOT NULL REFERENCES account (id),
    -- No foreign key: an authorization may be forgotten before the last order that used it.
    authorization TEXT NOT NULL,
    identifier    TEXT NOT NULL,
    profile       TEXT NOT NULL,
    state         TEXT NOT NULL,
    serial        BLOB,
    problem       TEXT,
    created       INTEGER NOT NULL,
    expires       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX order_of ON acme_order (account, created);
CREATE INDEX order_expires ON acme_order (expires);

-- A certificate from its plan on; rows are never deleted.
CREATE TABLE certificate (
    number      INTEGER PRIMARY KEY,      -- order of planning
    serial      BLOB NOT NULL UNIQUE,
    revision    INTEGER NOT NULL,
    authority   TEXT NOT NULL,
    profile     TEXT NOT NULL,
    account     TEXT,
    acme_order  TEXT,
    identifier  TEXT,                     -- of a person
    period      INTEGER NOT NULL,
    slot        INTEGER,                  -- of a person
    vrf_proof   BLOB,                     -- of a person
    service     TEXT,                     -- DNS name of a service
    opening     BLOB NOT NULL,
    tbs         BLOB NOT NULL,
    not_before  INTEGER NOT NULL,
    not_after   INTEGER NOT NULL,
    state       TEXT NOT NULL,
    log_index   INTEGER,
    proof       TEXT,
    certificate BLOB,
    revoked_at  INTEGER,
    reason      INTEGER,
    UNIQUE (identifier, period, slot)     -- a label stands in the log once
) STRICT;
CREATE INDEX certificate_unfinished ON certificate (number) WHERE state IN ('planned', 'logged');
CREATE INDEX certificate_revoked ON certificate (authority, not_after) WHERE revoked_at IS NOT NULL;
