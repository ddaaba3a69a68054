-- Version 1: what SQLite has in its version 9. Times are seconds since the epoch. Identifiers stand here and in no log line.
CREATE TABLE account (
    id         TEXT COLLATE "C" PRIMARY KEY,
    revision   BIGINT NOT NULL,
    key        TEXT NOT NULL,               -- canonical JWK
    thumbprint TEXT NOT NULL UNIQUE,
    contact    TEXT NOT NULL,               -- JSON list of URLs
    status     TEXT NOT NULL,
    created    BIGINT NOT NULL,
    terms      TEXT,                        -- URL of the terms of service
    external   TEXT UNIQUE                  -- name of an account elsewhere
);

CREATE TABLE "authorization" (
    id             TEXT COLLATE "C" PRIMARY KEY,
    revision       BIGINT NOT NULL,
    account        TEXT NOT NULL REFERENCES account (id),
    identifier     TEXT NOT NULL,
    status         TEXT NOT NULL,
    expires        BIGINT NOT NULL,
    validated      BIGINT,
    proven_by      TEXT,
    code_hash      BYTEA,
    code_expires   BIGINT,
    code_tries     BIGINT,
    code_handover  TEXT,                    -- under way, done, failed
    reply_part2    BYTEA,                   -- half of the token
    reply_digest   BYTEA,                   -- hash of what a reply has to bring; with it the rest
    reply_expires  BIGINT,
    reply_tries    BIGINT,
    reply_handover TEXT,
    reply_refused  TEXT                     -- why the last reply proved nothing
);
CREATE INDEX authorization_of ON "authorization" (account, identifier, status);
CREATE INDEX authorization_expires ON "authorization" (expires);

-- "order" is a word of SQL.
CREATE TABLE acme_order (
    id              TEXT COLLATE "C" PRIMARY KEY,
    revision        BIGINT NOT NULL,
    account         TEXT NOT NULL REFERENCES account (id),
    -- No foreign key: an authorization may be forgotten before the last order that used it.
    "authorization" TEXT NOT NULL,
    identifier      TEXT NOT NULL,
    profile         TEXT NOT NULL,
    state           TEXT NOT NULL,
    serial          BYTEA,
    problem         TEXT,
    created         BIGINT NOT NULL,
    expires         BIGINT NOT NULL,
    replaces        BYTEA                   -- serial number of a certificate
);
CREATE INDEX order_of ON acme_order (account, created, id);
CREATE INDEX order_expires ON acme_order (expires);
CREATE INDEX order_replaces ON acme_order (replaces) WHERE replaces IS NOT NULL;

-- A certificate from its plan on; rows are never deleted.
CREATE TABLE certificate (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,   -- order of planning
    serial      BYTEA NOT NULL UNIQUE,
    revision    BIGINT NOT NULL,
    authority   TEXT NOT NULL,
    profile     TEXT NOT NULL,
    account     TEXT,
    acme_order  TEXT,
    identifier  TEXT,                       -- of a person
    period      BIGINT NOT NULL,
    slot        BIGINT,                     -- of a person
    vrf_proof   BYTEA,                      -- of a person
    service     TEXT,                       -- DNS name of a service
    opening     BYTEA NOT NULL,
    tbs         BYTEA NOT NULL,
    not_before  BIGINT NOT NULL,
    not_after   BIGINT NOT NULL,
    state       TEXT NOT NULL,
    log_index   BIGINT,
    proof       TEXT,
    certificate BYTEA,
    revoked_at  BIGINT,
    reason      BIGINT,
    announce    BOOLEAN NOT NULL,           -- its owner is still to be told
    UNIQUE (identifier, period, slot)       -- a label stands in the log once
);
CREATE INDEX certificate_unfinished ON certificate (number) WHERE state IN ('planned', 'logged');
CREATE INDEX certificate_unannounced ON certificate (number) WHERE announce AND state = 'issued';
CREATE INDEX certificate_revoked ON certificate (authority, not_after) WHERE revoked_at IS NOT NULL;
CREATE INDEX certificate_erasable ON certificate (not_after) WHERE service IS NULL AND state IN ('issued', 'abandoned');

-- Keys that are known to be compromised, and get no certificate any more.
CREATE TABLE compromised_key (
    digest BYTEA PRIMARY KEY                -- SHA-256 of the SubjectPublicKeyInfo
);

-- What text messages have cost in a day.
CREATE TABLE spending (
    day      BIGINT PRIMARY KEY,            -- since the epoch
    revision BIGINT NOT NULL,
    spent    BIGINT NOT NULL,               -- millionths of the currency's unit
    messages BIGINT NOT NULL
);
