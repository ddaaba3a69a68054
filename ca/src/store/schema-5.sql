-- Version 5: certificates of which their owners are still to be told.
ALTER TABLE certificate ADD COLUMN announce INTEGER NOT NULL DEFAULT 0;
CREATE INDEX certificate_unannounced ON certificate (number) WHERE announce AND state = 'issued';
