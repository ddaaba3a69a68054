-- From version 5 to 4.
DROP INDEX certificate_unannounced;
ALTER TABLE certificate DROP COLUMN announce;
