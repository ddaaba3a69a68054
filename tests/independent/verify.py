#!/usr/bin/env python3
"""An independent verifier of certificates for people and services, of updates of trust policies, and of dated signatures.

Written from docs/spec/certificate.md, docs/spec/trust-policy.md, docs/spec/log.md and policies/rules.md alone. It reads
vector files (tests/vectors/certificate, tests/vectors/policy-update and tests/vectors/dated-signature) and prints, for each, one line of JSON: the file's name, and `ok` with what was found or the rule that is broken.

    verify.py FILE…
"""

import base64
import json
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import names
import constraints
import dated
import path
import profiles
import transparency
import updates
import x509
from der import DerError
from refusal import Refusal, refuse
from tlog import LogPolicy

DAY = 86400


@dataclass
class Authority:
    name: str
    root: x509.Certificate
    issuers: list
    kinds: list
    domains: list
    phone_prefixes: list
    withdrawn: list  # SHA-256 of the SubjectPublicKeyInfo of issuing keys that no longer count
    services: set  # DNS names of services it may certify
    logs: dict  # VRF keys by origins: the log in use and earlier ones

    @staticmethod
    def read(member, directories, log_policy):
        def certificate(text):
            return x509.certificate(base64.b64decode(text, validate=True))

        return Authority(
            member["name"], certificate(member["root"]), [certificate(one) for one in member["issuers"]],
            member["kinds"], member["domains"], member["phone_prefixes"], member.get("withdrawn", []),
            services_of(member, directories, log_policy),
            {
                one["log"]: base64.b64decode(one["vrf_key"], validate=True)
                for one in [*member.get("earlier_logs", []), member]
            },
        )


def services_of(member, directories, log_policy):
    """The names of the directories, the hosts of the authority's ACME server and of its logs, and its mail domains."""
    origins = {one["log"] for one in [*member.get("earlier_logs", []), member]}
    lines = [line.split() for line in log_policy.splitlines()]
    logs = [line[2] for line in lines if len(line) == 3 and line[0] == "log" and line[1].partition("+")[0] in origins]
    hosts = [urlsplit(url).hostname for url in [member["acme"], *logs]]
    found = {names.canonical_service(name) for name in [*(one["name"] for one in directories), *filter(None, hosts), *member["domains"]]}
    return found - {None}  # an IP address


def check_permitted(authority, kind, name):
    """TRUST-01 to TRUST-03, and TRUST-12 for services. No policy names components."""
    if kind == "service":
        if name not in authority.services:
            refuse("TRUST-12", name)
        return
    if kind == "component":
        return
    if kind not in authority.kinds:
        refuse("TRUST-01", kind)
    if kind == "email" and not {"*", name.rpartition("@")[2]} & set(authority.domains):
        refuse("TRUST-02", name)
    if kind == "phone" and not any(prefix == "*" or name.startswith(prefix) for prefix in authority.phone_prefixes):
        refuse("TRUST-03", name)


def install(encoding, authorities, known, now):
    """REV-03 to REV-06, and REV-02 at once: takes in a revocation list."""
    try:
        new = x509.revocation_list(encoding)
    except DerError as error:
        refuse("REV-03", error)
    try:
        place = x509.place_of(new.place) if new.place else None
    except DerError as error:
        refuse("REV-06", error)
    for issuer in (issuer for authority in authorities for issuer in authority.issuers):
        if issuer.subject != new.issuer or x509.key_identifier(issuer.key) != new.authority_key_id:
            continue
        usage = issuer.extension(x509.KEY_USAGE)
        if not (usage and x509.key_usage(usage.value) & x509.CRL_SIGN):
            continue
        if x509.signed_by(new.tbs, new.outer, new.signature, issuer):
            break
    else:
        refuse("REV-04", new.issuer.hex())
    if now - new.this_update > 7 * DAY:
        refuse("REV-02", new.this_update)
    old = known.get((issuer.encoding, place))
    if new.this_update > now + 300 or old and (new.number < old.number or new.this_update < old.this_update):
        refuse("REV-05", new.number)
    known[issuer.encoding, place] = new


def revocation(leaf, issuer, known, now):
    """REV-01 and REV-02."""
    places = [None, profiles.crl_address(leaf)]
    found = [known[issuer.encoding, place] for place in places if (issuer.encoding, place) in known]
    if not found:
        return "unknown"
    if any(leaf.serial in one.serials for one in found):
        refuse("REV-01", leaf.serial.hex())
    newest = max(one.this_update for one in found)
    if now - newest > 7 * DAY:
        refuse("REV-02", newest)
    return "good"


def check_binding(binding, authority, kind):
    """TRUST-06: people who are known by an authority already, by its root's key."""
    if binding is None or kind in profiles.MACHINES:
        return
    if binding["root"] != sha256(authority.root.key_info).hexdigest():
        refuse("TRUST-06", authority.name)


def taken_in(vector, authorities, now):
    """The revocation lists of a vector, by issuer and place."""
    known = {}
    for one in vector["crls"]:
        install(base64.b64decode(one), authorities, known, now)
    return known


def authorities_of(policy):
    return [Authority.read(member, policy["directories"], policy["tlog_policy"]) for member in policy["authorities"]]


def certified(vector, leaf, chain, authorities, now, status_of):
    """What a certificate says at a time; `status_of` judges its revocation."""
    policy, use = json.loads(vector["policy"]), vector["kind"]
    log_policy = LogPolicy(policy["tlog_policy"])
    authority, issuers = path.find(leaf, chain[1:], authorities, use, now)
    issuer = issuers[0]
    found, name = profiles.check(leaf, issuer, use, vector.get("service"))
    constraints.check_policies(leaf, issuers)
    check_permitted(authority, found.kind, name)
    windows = {one["key"]: (one.get("not_before"), one.get("not_after")) for one in policy.get("windows", [])}
    proof, witnesses = transparency.check(leaf, authority, found.kind, name, log_policy, windows)
    status = status_of(issuer)
    check_binding(vector.get("bindings", {}).get(name), authority, found.kind)
    return {
        "identifier": name,
        "authority": authority.name,
        "origin": proof.origin,
        "index": proof.index,
        "witnesses": [key.name for key, _ in witnesses],
        "revocation": status,
    }


def verify(vector):
    """What a vector's certificate says; raises Refusal."""
    now, authorities = vector["now"], authorities_of(json.loads(vector["policy"]))
    known = taken_in(vector, authorities, now)
    chain = [base64.b64decode(one) for one in vector["chain"]]
    leaf = path.leaf_of(chain)
    return certified(vector, leaf, chain, authorities, now, lambda issuer: revocation(leaf, issuer, known, now))


def verify_dated(vector):
    """Who signed, by a certificate that was good when the signature was dated, and when; raises Refusal."""
    policy = json.loads(vector["policy"])
    authorities = authorities_of(policy)
    known = taken_in(vector, authorities, vector["crls_at"])
    date = dated.check(vector["proof"], base64.b64decode(vector["signature"]), policy)
    chain = [base64.b64decode(one) for one in vector["chain"]]
    leaf = path.leaf_of(chain)
    dated.check_life(leaf, date["date"])

    def status_of(issuer):
        places = [None, profiles.crl_address(leaf)]
        lists = [known[issuer.encoding, place] for place in places if (issuer.encoding, place) in known]
        status, date["revoked_later"] = dated.check_revocation(leaf, lists, date["date"])
        return status

    signer = certified(vector, leaf, chain, authorities, date["date"], status_of)
    return {"identifier": signer["identifier"], "authority": signer["authority"], "revocation": signer["revocation"], **date}


def answer(vector):
    if "update" in vector:
        return updates.verify(vector)
    return verify_dated(vector) if "signature" in vector else verify(vector)


def main(files):
    for file in files:
        try:
            vector = json.loads(Path(file).read_text())
            said = {"rule": "ok", **answer(vector)}
        except Refusal as refusal:
            said = {"rule": refusal.rule, "found": str(refusal)}
        print(json.dumps({"name": Path(file).stem, **said}))


if __name__ == "__main__":
    main(sys.argv[1:])
