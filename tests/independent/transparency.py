"""The rules LOG, SLOT and WIT: the proof that a certificate stands in the log of its authority."""

import hmac
from dataclasses import dataclass
from hashlib import sha256

import der
import edwards
import tlog
from der import DerError
from profiles import MACHINES, TRANSPARENCY
from refusal import refuse

PERIOD = 7 * 86400


@dataclass
class Cosignature:
    name: str
    key_id: bytes
    time: int
    signature: bytes


@dataclass
class Transparency:
    origin: str
    period: int
    slot: int
    vrf_proof: bytes
    opening: bytes
    index: int
    size: int
    path: list
    key_id: bytes
    signature: bytes
    cosignatures: list


def extension(value):
    """LOG-02."""
    reader = der.whole(value, der.SEQUENCE)
    origin = reader.utf8(255)
    period = reader.integer(0, 2**32 - 1)
    slot = reader.integer(0, 255)
    proof = reader.optional(0x80)
    der.need(proof is None or len(proof) == 80, "a VRF proof has 80 octets")
    opening = reader.octets(32)
    index = reader.integer(0)
    size = reader.integer(1, 2**63 - 1)
    der.need(index < size, "index is not below tree size")
    path = reader.octets()
    der.need(len(path) % 32 == 0 and len(path) <= 63 * 32, "path is not of whole hashes, 63 at most")
    key_id, signature = reader.octets(4), reader.octets(64)
    cosignatures = []
    several = reader.inside(der.SEQUENCE)
    reader.end()
    while several.more():
        one = several.inside(der.SEQUENCE)
        cosignatures.append(Cosignature(one.utf8(255), one.octets(4), one.integer(0, 2**64 - 1), one.octets(64)))
        one.end()
    keys = {(one.name, one.key_id) for one in cosignatures}
    der.need(len(cosignatures) <= 15 and len(keys) == len(cosignatures), "too many cosignatures, or a key twice")
    hashes = [path[at : at + 32] for at in range(0, len(path), 32)]
    return Transparency(origin, period, slot, proof, opening, index, size, hashes, key_id, signature, cosignatures)


def check(leaf, authority, kind, name, log_policy, windows):
    """LOG, SLOT, WIT, TRUST-04 and -05, in the order of the rules; the extension, and the witnesses that count with their times."""
    found = leaf.all_of(TRANSPARENCY)
    if len(found) != 1 or found[0].critical:
        refuse("LOG-01", f"{len(found)} transparency extensions")
    try:
        proof = extension(found[0].value)
    except DerError as error:
        refuse("LOG-02", error)
    if proof.origin not in authority.logs:
        refuse("LOG-03", proof.origin)
    label = check_slot(leaf, proof, authority, kind, name)
    text = check_log(leaf, proof, label, kind, log_policy)
    timely = check_witnesses(leaf, proof, text, log_policy)
    return proof, check_windows(proof, timely, log_policy, windows)


def check_slot(leaf, proof, authority, kind, name):
    """SLOT-01 to SLOT-04: what stands in the entry for the name."""
    machine = kind in MACHINES
    if (proof.vrf_proof is None) != machine:
        refuse("SLOT-01", proof.vrf_proof)
    if proof.slot >= (1 if machine else 32):
        refuse("SLOT-02", proof.slot)
    if proof.period != leaf.not_before // PERIOD:
        refuse("SLOT-03", proof.period)
    if machine:
        return sha256(b"inperson-service-v1\x00" + name.encode()).digest()
    try:
        return edwards.verify(authority.logs[proof.origin], vrf_input(proof, kind, name), proof.vrf_proof)[:32]
    except edwards.VrfError as error:
        refuse("SLOT-04", error)


def vrf_input(proof, kind, name):
    origin, name = proof.origin.encode(), name.encode()
    return (
        b"inperson-label-v1\x00"
        + len(origin).to_bytes(2, "big") + origin
        + bytes([{"email": 1, "phone": 2}[kind]])
        + len(name).to_bytes(2, "big") + name
        + proof.period.to_bytes(4, "big") + bytes([proof.slot])
    )


def check_log(leaf, proof, label, kind, log_policy):
    """LOG-04 to LOG-06: the text of the checkpoint that the log signed."""
    commitment = hmac.digest(proof.opening, leaf.tbs_without(TRANSPARENCY), "sha256")
    entry = b"\x01" + (b"\x03" if kind in MACHINES else b"\x01") + label + commitment
    try:
        root = tlog.root(proof.index, proof.size, tlog.leaf_hash(entry), proof.path)
    except tlog.ProofError as error:
        refuse("LOG-04", error)
    key = log_policy.log(proof.origin, proof.key_id)
    if key is None:
        refuse("LOG-05", proof.key_id.hex())
    text = tlog.checkpoint(proof.origin, proof.size, root)
    if not key.verifies(proof.signature, text):
        refuse("LOG-06", root.hex())
    return text


def check_witnesses(leaf, proof, text, log_policy):
    """WIT-01 to WIT-03."""
    known = []
    for one in proof.cosignatures:
        key = log_policy.witness(one.name, one.key_id)
        if key is None:
            continue
        if not key.verifies(one.signature, tlog.cosigned(one.time, text)):
            refuse("WIT-01", one.name)
        known.append((key, one.time))
    if not log_policy.met_by([key for key, _ in known]):
        refuse("WIT-02", [key.name for key, _ in known])
    timely = [(key, time) for key, time in known if time and leaf.not_before - 300 <= time <= leaf.not_before + 86400]
    if not log_policy.met_by([key for key, _ in timely]):
        refuse("WIT-03", known)
    return timely


def check_windows(proof, timely, log_policy, windows):
    """TRUST-04 and TRUST-05: log and witnesses were in use at the times of the cosignatures."""

    def in_use(key, time):
        first, last = windows.get(str(key), (None, None))
        return (first is None or first <= time) and (last is None or time <= last)

    if not in_use(log_policy.log(proof.origin, proof.key_id), max(time for _, time in timely)):
        refuse("TRUST-04", proof.origin)
    counting = [(key, time) for key, time in timely if in_use(key, time)]
    if not log_policy.met_by([key for key, _ in counting]):
        refuse("TRUST-05", [key.name for key, _ in counting])
    return counting
