-- From version 6 to 5.
DROP INDEX certificate_erasable;
