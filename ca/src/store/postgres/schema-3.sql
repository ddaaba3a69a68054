-- Version 3: whose database this is. One of an earlier version is that of the authority whose program brings it up to date.
CREATE TABLE authority (
    one         BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
    fingerprint TEXT NOT NULL               -- of the genesis trust policy, which names root, label key and log
);
