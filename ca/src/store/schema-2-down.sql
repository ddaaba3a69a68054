-- From version 2 to 1: the way up finds the keys again by the certificates that were revoked for them.
DROP TABLE compromised_key;
