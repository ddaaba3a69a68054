-- Version 6: what can be erased is found without looking at all certificates.
CREATE INDEX certificate_erasable ON certificate (not_after) WHERE service IS NULL AND state IN ('issued', 'abandoned');
