"""The rules TRUST-07 to TRUST-11: whether a document is the next version of a trust policy (docs/spec/trust-policy.md)."""

import base64
import binascii
import json
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

import der
import edwards
import names
import tlog
import x509
from refusal import refuse

LARGEST = 1024 * 1024
HASHES = {"secp256r1": x509.SIGNATURES["1.2.840.10045.4.3.2"][1], "secp384r1": x509.SIGNATURES["1.2.840.10045.4.3.3"][1]}
POLICY = {
    "version", "number", "name", "authorities", "directories", "tlog_policy", "operator_witnesses",
}
POLICY_OPTIONAL = {"previous", "windows", "updates"}
AUTHORITY = {"name", "acme", "root", "issuers", "kinds", "domains", "phone_prefixes", "vrf_key", "log"}
AUTHORITY_OPTIONAL = {"withdrawn", "earlier_logs"}


class FormError(Exception):
    """The document is not in its one spelling, or contradicts itself."""


def need(condition, message):
    if not condition:
        raise FormError(message)


def canonical(value):
    """RFC 8785 for texts, lists and whole numbers; our members are ASCII, so that their order is that of code points."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def document(text):
    need(len(text.encode()) <= LARGEST, "more than 1 MiB")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise FormError(str(error)) from error
    need(isinstance(value, dict) and canonical(value) == text, "another spelling")
    return value


def members(value, needed, optional=frozenset()):
    need(isinstance(value, dict), "no object")
    need(needed <= set(value) <= needed | optional, f"the members {sorted(value)}")
    empty = [name for name in optional & set(value) if value[name] in ([], None)]
    need(not empty, f"{empty} say nothing")


def data(text):
    need(isinstance(text, str), "no text")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise FormError(str(error)) from error


def digest(text):
    need(isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef"), f"{text} is no digest")


def policy_in_order(text):
    """TRUST-07, the policy itself."""
    policy = document(text)
    members(policy, POLICY, POLICY_OPTIONAL)
    need(policy["version"] == 1, "another version")
    number = policy["number"]
    need(isinstance(number, int) and 1 <= number < 2**53, f"the number {number}")
    need((number == 1) == ("previous" not in policy), "previous belongs to every version but the first")
    if "previous" in policy:
        digest(policy["previous"])
    updates = policy.get("updates", "https://")
    need(updates.startswith("https://") and (updates == "https://" or not updates.endswith("/")), updates)
    try:
        log_policy = tlog.LogPolicy(policy["tlog_policy"])
    except (ValueError, IndexError, binascii.Error) as error:
        raise FormError(str(error)) from error
    witnesses = {key.name for key in log_policy.witnesses.values()}
    need(set(policy["operator_witnesses"]) <= witnesses, "an operator's witness that is none")
    check_windows(policy.get("windows", []), log_policy)
    for one in policy["directories"]:
        members(one, {"name", "address"})
        need(names.is_domain(one["name"], dots=0), one["name"])
        host, _, port = one["address"].rpartition(":")
        need(host and port.isdigit() and 0 < int(port) < 2**16, one["address"])
    need(1 <= len(policy["authorities"]) <= 64, "no authority, or too many")
    for one in policy["authorities"]:
        check_authority(one, log_policy)
    return policy


def check_windows(windows, log_policy):
    keys = [str(key) for key in [*log_policy.logs, *log_policy.witnesses.values()]]
    seen = set()
    for one in windows:
        members(one, {"key"}, {"not_before", "not_after"})
        first, last = one.get("not_before"), one.get("not_after")
        need(one["key"] in keys and one["key"] not in seen, f"a window of {one['key']}")
        need(first is not None or last is not None, "a window without bounds")
        need(first is None or last is None or first <= last, "a window that ends before it begins")
        need(all(bound is None or 0 <= bound < 2**53 for bound in (first, last)), "a bound beyond 2^53")
        seen.add(one["key"])


def check_authority(one, log_policy):
    members(one, AUTHORITY, AUTHORITY_OPTIONAL)
    need(1 <= len(one["issuers"]) <= 16, "issuers")
    keys = set()
    for encoding in [one["root"], *one["issuers"]]:
        try:
            certificate = x509.certificate(data(encoding))
            basic, usage = certificate.extension(x509.BASIC_CONSTRAINTS), certificate.extension(x509.KEY_USAGE)
            need(basic and x509.basic_constraints(basic.value)[0], "no CA")
            need(usage and x509.key_usage(usage.value) & x509.KEY_CERT_SIGN, "a CA that may not sign")
        except der.DerError as error:
            raise FormError(str(error)) from error
        keys.add(sha256(certificate.key_info).hexdigest())
    need(set(one["kinds"]) <= {"email", "phone"}, one["kinds"])
    need(all(domain == "*" or names.is_domain(domain, dots=0) for domain in one["domains"]), one["domains"])
    prefixes = [prefix for prefix in one["phone_prefixes"] if prefix != "*"]
    need(all(prefix[:1] == "+" and prefix[1:].isdigit() for prefix in prefixes), prefixes)
    withdrawn = one.get("withdrawn", [])
    for key in withdrawn:
        digest(key)
    need(withdrawn == sorted(set(withdrawn)) and len(withdrawn) <= 256, "withdrawn keys in another order")
    need(not keys & set(withdrawn), "a listed key that is withdrawn")
    origins = []
    for log in [one, *one.get("earlier_logs", [])]:
        origins.append(log["log"])
        need(any(key.name == log["log"] for key in log_policy.logs), f"{log['log']} is not in tlog_policy")
        try:
            edwards.public_key(data(log["vrf_key"]))
        except edwards.VrfError as error:
            raise FormError(str(error)) from error
    need(len(origins) == len(set(origins)), "a log twice")


def check_signature(text, signature, current):
    """TRUST-10."""
    root = x509.certificate(base64.b64decode(current["authorities"][0]["root"]))
    key = x509.load_der_public_key(root.key_info)
    try:
        algorithm = ec.ECDSA(HASHES[key.curve.name]())
        key.verify(signature, b"inperson-trust-policy-v1\x00" + text.encode(), algorithm)
    except (InvalidSignature, ValueError) as error:
        refuse("TRUST-10", error)


def proof_of(text):
    """A C2SP tlog-proof: extra data (None without), index, path, and the checkpoint behind the empty line."""
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise tlog.ProofError("no tlog-proof")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = base64.b64decode(lines.pop(0).removeprefix("extra "), validate=True)
    word, _, index = lines.pop(0).partition(" ") if lines else ("", "", "")
    if word != "index" or not index.isdigit() or str(int(index)) != index:
        raise tlog.ProofError("no index")
    path = [base64.b64decode(line, validate=True) for line in lines]
    if any(len(one) != 32 for one in path):
        raise tlog.ProofError("a hash of another length")
    return extra, int(index), path, note


def signatures_of(note):
    """The text of a signed note and its signatures: (name, key ID, signature)."""
    text, blank, rest = note.rpartition("\n\n")
    if not blank or not rest.endswith("\n"):
        raise tlog.ProofError("no signed note")
    found = []
    for line in rest.removesuffix("\n").split("\n"):
        dash, name, encoded = line.split(" ")
        if dash != "—":
            raise tlog.ProofError("no signature line")
        whole = base64.b64decode(encoded, validate=True)
        found.append((name, whole[:4], whole[4:]))
    return text + "\n", found


def seen(proof, leaf, log_policy, in_use):
    """The origin, and the cosignatures as (key, time), if log and quorum have signed a tree with this leaf."""
    _, index, path, note = proof_of(proof)
    text, found = signatures_of(note)
    origin, size, root = text.split("\n")[:3]
    logs = [key for key in log_policy.logs if key.name == origin and in_use(key)]
    by_log = [(key, signature) for name, key_id, signature in found for key in logs if (key.name, key.key_id) == (name, key_id)]
    if not by_log or not all(key.verifies(signature, text.encode()) for key, signature in by_log):
        raise tlog.ProofError("not signed by a log of the policy")
    cosigned = []
    for name, key_id, signature in found:
        key = log_policy.witness(name, key_id)
        if key is None or not in_use(key):
            continue
        time = int.from_bytes(signature[:8], "big")
        if len(signature) != 72 or not key.verifies(signature[8:], tlog.cosigned(time, text.encode())):
            raise tlog.ProofError(f"{name} did not cosign")
        cosigned.append((key, time))
    if not log_policy.met_by([key for key, _ in cosigned]):
        raise tlog.ProofError("no quorum")
    if tlog.root(index, int(size), leaf, path) != base64.b64decode(root, validate=True):
        raise tlog.ProofError("the path leads elsewhere")
    return origin, cosigned


def logged(proof, leaf, policy):
    """With all keys of the policy first, then with those whose windows contain the latest time: that time, the origin, and
    the keys that count. Raises ProofError, ValueError and IndexError."""
    log_policy = tlog.LogPolicy(policy["tlog_policy"])
    windows = {one["key"]: (one.get("not_before", 0), one.get("not_after", 2**64)) for one in policy.get("windows", [])}
    times = [time for _, time in seen(proof, leaf, log_policy, lambda key: True)[1]]
    latest = max(times)
    if 0 in times:
        raise tlog.ProofError("a cosignature without a time")

    def in_use(key):
        first, last = windows.get(str(key), (0, 2**64))
        return first <= latest <= last

    origin, cosigned = seen(proof, leaf, log_policy, in_use)
    return latest, origin, [key for key, _ in cosigned]


def check_logged(text, proof, current):
    """TRUST-11: when the last witness had seen it."""
    leaf = tlog.leaf_hash(b"\x01\x12" + sha256(text.encode()).digest())
    try:
        return logged(proof, leaf, current)[0]
    except (tlog.ProofError, ValueError, IndexError) as error:
        refuse("TRUST-11", error)


def trusted(policy):
    """What of a policy says whom a person trusts: all but names, addresses and the issuing certificates."""
    kept = {name: policy[name] for name in ("operator_witnesses", "windows") if name in policy}
    kept["logs"] = [line.split() for line in policy["tlog_policy"].splitlines()]
    dropped = {"acme", "issuers", "withdrawn"}
    kept["authorities"] = [{k: v for k, v in one.items() if k not in dropped} for one in policy["authorities"]]
    return kept


def verify(vector):
    """What an update says; raises Refusal."""
    current, before = json.loads(vector["current"]), sha256(vector["current"].encode()).hexdigest()
    try:
        update = document(vector["update"])
        members(update, {"policy", "proof", "signature"})
        signature = data(update["signature"])
        text = update["policy"]
        policy = policy_in_order(text)
    except (FormError, AttributeError, TypeError, KeyError) as error:
        refuse("TRUST-07", error)
    if policy["number"] != current["number"] + 1:
        refuse("TRUST-08", policy["number"])
    if policy["previous"] != before:
        refuse("TRUST-09", policy["previous"])
    check_signature(text, signature, current)
    logged_at = check_logged(text, update["proof"], current)
    return {
        "number": policy["number"],
        "fingerprint": sha256(text.encode()).hexdigest(),
        "logged_at": logged_at,
        "asks": trusted(policy) != trusted(current),
    }
