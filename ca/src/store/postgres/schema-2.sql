-- Version 2: what front ends share beside records. SQLite has one front end, and nothing of this.

-- Nonces that were used.
CREATE TABLE nonce (
    id   BYTEA PRIMARY KEY,
    ends BIGINT NOT NULL                    -- seconds since the epoch; afterwards it is refused in any case
);
CREATE INDEX nonce_ends ON nonce (ends);

-- Limits. The key is a hash: no address stands here.
CREATE TABLE bucket (
    key        BYTEA PRIMARY KEY,
    full_again BIGINT NOT NULL              -- milliseconds since the epoch
);
CREATE INDEX bucket_full_again ON bucket (full_again);

-- The newest revocation lists.
CREATE TABLE revocation_list (
    name     TEXT COLLATE "C" PRIMARY KEY,
    reserved BIGINT NOT NULL,               -- the last number that was given
    number   BIGINT,
    der      BYTEA
);
