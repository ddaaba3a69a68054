-- Version 8: what text messages have cost in a day.
CREATE TABLE spending (
    day      INTEGER PRIMARY KEY NOT NULL,  -- since the epoch
    revision INTEGER NOT NULL,
    spent    INTEGER NOT NULL,              -- millionths of the currency's unit
    messages INTEGER NOT NULL
) STRICT;
