"""The rules DATE-01 to DATE-04: when a signature was made, at the latest (docs/spec/log.md, "Signature entries")."""

import binascii
import hmac
from hashlib import sha256

import tlog
import updates
from refusal import refuse

LARGEST = 64 * 1024
WEEK = 7 * 86400


def check(text, signature, policy):
    """DATE-01 and DATE-02: where and when the signature was logged, and by whom that was seen."""
    try:
        if len(text.encode()) > LARGEST:
            raise tlog.ProofError("more than 64 KiB")
        extra, index, _, _ = updates.proof_of(text)
        if extra is None or len(extra) != 65 or extra[0] != 1:
            raise tlog.ProofError("the extra data are version 1, label and opening")
    except (tlog.ProofError, ValueError, binascii.Error) as error:
        refuse("DATE-01", error)
    label, opening = extra[1:33], extra[33:]
    value = hmac.digest(opening, sha256(signature).digest(), "sha256")
    try:
        date, origin, keys = updates.logged(text, tlog.leaf_hash(b"\x01\x02" + label + value), policy)
    except (tlog.ProofError, ValueError, IndexError) as error:
        refuse("DATE-02", error)
    known = tlog.LogPolicy(policy["tlog_policy"]).witnesses.values()
    return {"date": date, "origin": origin, "index": index, "witnesses": [key.name for key in known if key in keys]}


def check_life(leaf, date):
    """DATE-03."""
    if not leaf.not_before <= date <= leaf.not_after:
        refuse("DATE-03", date)


def check_revocation(leaf, lists, date):
    """DATE-04, and REV-02 at the date: what is known, and when it was revoked if that was later."""
    revoked = [one.serials[leaf.serial] for one in lists if leaf.serial in one.serials]
    if revoked:
        if min(revoked) <= date:
            refuse("DATE-04", min(revoked))
        return "good", min(revoked)
    if not lists:
        return "unknown", None
    newest = max(one.this_update for one in lists)
    if newest > leaf.not_after:
        return "unknown", None
    if date - newest > WEEK:
        refuse("REV-02", newest)
    return "good", None
