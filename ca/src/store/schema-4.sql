-- Version 4: what an account agreed to and is bound to, and what an order replaces.
ALTER TABLE account ADD COLUMN terms TEXT;       -- URL of the terms of service
ALTER TABLE account ADD COLUMN external TEXT;    -- name of an account elsewhere
CREATE UNIQUE INDEX account_external ON account (external) WHERE external IS NOT NULL;

ALTER TABLE acme_order ADD COLUMN replaces BLOB; -- serial number of a certificate
CREATE INDEX order_replaces ON acme_order (replaces) WHERE replaces IS NOT NULL;
