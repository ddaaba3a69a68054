"""The rules CHAIN: a path from the leaf over an issuing certificate to the root of an authority."""

from hashlib import sha256

import constraints as names
import der
import x509
from der import DerError
from profiles import LIVE_PERSON
from refusal import Refusal, refuse

USES = {
    "person": (x509.CLIENT_AUTH, LIVE_PERSON),
    "mail": (x509.EMAIL_PROTECTION, x509.CLIENT_AUTH),
    "service": (x509.SERVER_AUTH,),
    "component": (x509.CLIENT_AUTH,),
}
UNDERSTOOD = {
    x509.BASIC_CONSTRAINTS, x509.KEY_USAGE, x509.EXT_KEY_USAGE, x509.NAME_CONSTRAINTS, x509.POLICIES,
    names.POLICY_MAPPINGS, names.POLICY_CONSTRAINTS, names.INHIBIT_ANY_POLICY, x509.SUBJECT_ALT_NAME, x509.CRL_POINTS,
}


def leaf_of(chain):
    """CHAIN-01 to CHAIN-03."""
    if not 1 <= len(chain) <= 6 or any(len(one) > 16 * 1024 for one in chain):
        refuse("CHAIN-01", f"{len(chain)} certificates")
    try:
        leaf = x509.certificate(chain[0])
    except DerError as error:
        refuse("CHAIN-02", error)
    algorithm = leaf.outer
    if leaf.inner.encoding != algorithm.encoding or algorithm.parameters or algorithm.oid not in x509.SIGNATURES:
        refuse("CHAIN-03", algorithm.oid)
    return leaf


def find(leaf, sent, authorities, use, now):
    """CHAIN-04 to CHAIN-09: the authority and the issuing certificates, the leaf's own first.

    One path that passes is enough. If none does, the refusal is that of the path that comes furthest.
    """
    refusals = [Refusal("CHAIN-04", "no path to a root")]
    for authority in authorities:
        usable = [one for one in readable(sent) if sha256(one.key_info).hexdigest() not in authority.withdrawn]
        for path in paths([leaf], authority.issuers + usable, authority.root):
            try:
                check(path, authority.root, use, now)
            except Refusal as refusal:
                refusals.append(refusal)
            else:
                return authority, path[1:]
    raise max(refusals, key=lambda refusal: refusal.rule)


def readable(sent):
    """What was sent beside the leaf, as far as it can be read; the rest is passed over."""
    found = []
    for one in sent:
        try:
            found.append(x509.certificate(one))
        except DerError:
            continue
    return found


def paths(path, candidates, root):
    """Every way up to the root by names: lists of certificates, leaf first, without the root."""
    if path[-1].issuer == root.subject:
        yield path
    if len(path) < 6:
        for candidate in candidates:
            if path[-1].issuer == candidate.subject and candidate not in path and candidate.encoding != root.encoding:
                yield from paths([*path, candidate], candidates, root)


def check(path, root, use, now):
    for lower, upper in zip(path, [*path[1:], root]):
        if not x509.signed_by(lower.tbs, lower.outer, lower.signature, upper):
            refuse("CHAIN-05", "signature")
    if max(one.not_before for one in path) > now:
        refuse("CHAIN-06", "begins later")
    if min(one.not_after for one in path) < now:
        refuse("CHAIN-07", "has ended")
    for one in path:
        try:
            extension = one.extension(x509.EXT_KEY_USAGE)
            uses = x509.extended_key_usage(extension.value) if extension else []
        except DerError:
            uses = []
        if not set(USES[use]) <= set(uses):
            refuse("CHAIN-08", uses)
    try:
        constraints(path, root)
    except DerError as error:
        refuse("CHAIN-09", error)


def constraints(path, root):
    """Basic constraints, path length, key usage, name constraints and critical extensions."""
    leaf, *issuers = path
    der.need(issuers, "a leaf under the root itself")
    for below, issuer in enumerate([*issuers, root]):
        basic, usage = issuer.extension(x509.BASIC_CONSTRAINTS), issuer.extension(x509.KEY_USAGE)
        der.need(basic, "no basic constraints")
        authority, length = x509.basic_constraints(basic.value)
        der.need(authority, "the issuer is no CA")
        der.need(length is None or below <= length, "more CAs below it than pathLen")
        der.need(usage and x509.key_usage(usage.value) & x509.KEY_CERT_SIGN, "the issuer may not sign certificates")
        names.check_names(leaf, issuer)
    for lower, upper in zip(issuers, [*issuers[1:], root]):
        stated, own = lower.extension(x509.AUTHORITY_KEY_ID), upper.extension(x509.SUBJECT_KEY_ID)
        if stated and own:
            key = der.Reader(own.value).octets()
            der.need(x509.authority_key_identifier(stated.value) == key, "the key identifier of another issuer")
    basic = leaf.extension(x509.BASIC_CONSTRAINTS)
    der.need(not (basic and x509.basic_constraints(basic.value)[0]), "the leaf is a CA")
    for one in path:
        for extension in one.extensions:
            der.need(not extension.critical or extension.oid in UNDERSTOOD, f"critical {extension.oid}")
