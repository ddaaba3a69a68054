-- From version 7 to 6: one challenge is left.
ALTER TABLE authorization DROP COLUMN proven_by;
