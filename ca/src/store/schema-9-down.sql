-- From version 9 to 8: who replied to a mail, or whose log-in vouched, proves control anew.
UPDATE authorization SET status = 'deactivated'
    WHERE status = 'valid' AND proven_by IN ('email-reply-00', 'oidc-00');
UPDATE authorization SET proven_by = NULL WHERE proven_by IN ('email-reply-00', 'oidc-00');
ALTER TABLE authorization DROP COLUMN reply_part2;
ALTER TABLE authorization DROP COLUMN reply_digest;
ALTER TABLE authorization DROP COLUMN reply_expires;
ALTER TABLE authorization DROP COLUMN reply_tries;
ALTER TABLE authorization DROP COLUMN reply_handover;
ALTER TABLE authorization DROP COLUMN reply_refused;
