-- Version 9: replies by mail (RFC 8823).
ALTER TABLE authorization ADD COLUMN reply_part2 BLOB;      -- half of the token
ALTER TABLE authorization ADD COLUMN reply_digest BLOB;     -- hash of what a reply has to bring; with it the rest
ALTER TABLE authorization ADD COLUMN reply_expires INTEGER;
ALTER TABLE authorization ADD COLUMN reply_tries INTEGER;
ALTER TABLE authorization ADD COLUMN reply_handover TEXT;   -- under way, done, failed
ALTER TABLE authorization ADD COLUMN reply_refused TEXT;    -- why the last reply proved nothing
