-- From version 4 to 3.
DROP INDEX account_external;
ALTER TABLE account DROP COLUMN terms;
ALTER TABLE account DROP COLUMN external;
DROP INDEX order_replaces;
ALTER TABLE acme_order DROP COLUMN replaces;
