"""The transparency log as a verifier sees it: Merkle proofs (RFC 6962, RFC 9162), keys and policies of C2SP."""

import base64
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class ProofError(Exception):
    """Index, size and path do not fit each other."""


def leaf_hash(entry):
    return sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return sha256(b"\x01" + left + right).digest()


def root(index, size, leaf, path):
    """RFC 9162 section 2.1.3.2: the root to which `path` leads from `leaf`."""
    if index >= size:
        raise ProofError("index is not below the size")
    node, last, value = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofError("path is too long")
        if node & 1 or node == last:
            value = node_hash(sibling, value)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("path is too short")
    return value


def checkpoint(origin, size, root_hash):
    """The text that log and witnesses sign (C2SP tlog-checkpoint)."""
    return f"{origin}\n{size}\n{base64.b64encode(root_hash).decode()}\n".encode()


def cosigned(time, text):
    """What a witness signs (C2SP tlog-cosignature)."""
    return b"cosignature/v1\n" + f"time {time}\n".encode() + text


@dataclass(frozen=True)
class Key:
    """A verifier key of C2SP signed-note: `name+id+base64(type ‖ key)`."""

    name: str
    key_id: bytes
    kind: int
    public: bytes

    @staticmethod
    def parse(vkey):
        name, hexadecimal, encoded = vkey.split("+", 2)
        data = base64.b64decode(encoded, validate=True)
        key_id = sha256(name.encode() + b"\n" + data).digest()[:4]
        if bytes.fromhex(hexadecimal) != key_id or len(data) != 33:
            raise ValueError(f"key ID of {name} does not fit")
        return Key(name, key_id, data[0], data[1:])

    def __str__(self):
        data = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{data}"

    def verifies(self, signature, message):
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


LOG_KEY, WITNESS_KEY = 0x01, 0x04


class LogPolicy:
    """C2SP tlog-policy: logs, witnesses, groups, and the quorum."""

    def __init__(self, text):
        self.logs, self.witnesses, self.groups, self.quorum = [], {}, {}, None
        for line in text.splitlines():
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "log":
                self.logs.append(Key.parse(words[1]))
            elif words[0] == "witness":
                self.witnesses[words[1]] = Key.parse(words[2])
            elif words[0] == "group":
                members = words[3:]
                count = {"any": 1, "all": len(members)}.get(words[2]) or int(words[2])
                self.groups[words[1]] = (count, members)
            elif words[0] == "quorum" and words[1] != "none":
                self.quorum = words[1]
            else:
                raise ValueError(f"unknown line: {line}")
        if self.quorum is None:
            raise ValueError("a policy without quorum")

    def log(self, name, key_id):
        """The log's key of this name and ID, None if there is none."""
        return next((key for key in self.logs if (key.name, key.key_id) == (name, key_id)), None)

    def witness(self, name, key_id):
        """The witness's key of this name and ID, None if there is none."""
        return next((key for key in self.witnesses.values() if (key.name, key.key_id) == (name, key_id)), None)

    def met_by(self, keys, name=None):
        """Whether cosignatures by these keys make the quorum."""
        name = name or self.quorum
        if name in self.witnesses:
            return self.witnesses[name] in keys
        count, members = self.groups[name]
        return sum(self.met_by(keys, member) for member in members) >= count
