#!/usr/bin/env python3
"""Chains with faults, and what PyPI's cryptography and OpenSSL say of them.

    mutate.py SEED COUNT

One line of JSON for each chain: DER in base64 from the leaf on, the root, the time, what was done to it, and each
verdict: null, or the error. The same seed makes the same chains.
"""

import base64
import json
import random
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from ipaddress import ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID as Use, NameOID, ObjectIdentifier

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
KEYS = [ec.derive_private_key(n + 1, ec.SECP256R1()) for n in range(8)]
NAMES = ["alice@example.org", "alice@mail.example.org", "bob@example.com"]
BASES = ["example.org", ".example.org", "alice@example.org", "example.com", "", "org", ".org", "@example.org", "mail.example.org"]


class Part:
    """A certificate to be: its fields, and what is done to its bytes before it is signed."""

    def __init__(self, level, name, authority):
        self.name, self.key, self.authority = name, KEYS[level], authority
        self.begin, self.end, self.serial = NOW - 30 * DAY, NOW + 30 * DAY, 1000 + level
        self.path_length, self.usage, self.uses = None, authority, [Use.CLIENT_AUTH, Use.EMAIL_PROTECTION]
        self.constraints, self.mail, self.extra, self.dropped = None, [] if authority else [NAMES[0]], [], set()
        self.issuer_name, self.signing_key, self.damage, self.other = None, None, None, []
        self.algorithm = hashes.SHA256()

    def build(self, issuer):
        signer = self.signing_key or issuer.key
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(self.name))
            .issuer_name(name(self.issuer_name or issuer.name))
            .serial_number(self.serial)
            .public_key(self.key.public_key())
            .not_valid_before(self.begin)
            .not_valid_after(self.end)
        )
        extensions = [
            ("basic", x509.BasicConstraints(self.authority, self.path_length if self.authority else None), True),
            ("usage", x509.KeyUsage(not self.usage, False, False, False, False, self.usage, self.usage, False, False), True),
            ("ski", x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False),
            ("aki", x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), False),
        ]
        if self.uses and issuer is not self:
            extensions.append(("uses", x509.ExtendedKeyUsage(self.uses), False))
        if self.mail or self.other:
            names = [x509.RFC822Name._init_without_validation(one) for one in self.mail] + self.other
            extensions.append(("san", x509.SubjectAlternativeName(names), False))
        if self.constraints:
            extensions.append(("constraints", x509.NameConstraints(*self.constraints), True))
        for label, value, critical in extensions + [("extra", *one) for one in self.extra]:
            if label not in self.dropped:
                builder = builder.add_extension(value, critical)
        certificate = builder.sign(signer, self.algorithm, ecdsa_deterministic=True)
        encoding = certificate.public_bytes(serialization.Encoding.DER)
        return damaged(certificate, self.damage, signer) if self.damage else encoding


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def damaged(certificate, damage, key):
    """The same with other bytes in the signed part, signed again: only the damage is wrong with it."""
    tbs = damage(bytearray(certificate.tbs_certificate_bytes))
    signature = key.sign(bytes(tbs), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    return element(0x30, bytes(tbs) + algorithm + element(0x03, b"\0" + signature))


def element(tag, content):
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def mutate(parts, dice):
    """Does one thing to one certificate; says what."""
    part = dice.choice(parts)
    authorities = parts[1:]
    leaf = parts[0]

    def subtrees():
        base = dice.choice(BASES)
        forms = [
            x509.RFC822Name._init_without_validation(base),
            x509.RFC822Name._init_without_validation(dice.choice(BASES)),
            x509.RFC822Name._init_without_validation(dice.choice(BASES)),
            x509.DNSName._init_without_validation(base),
            x509.UniformResourceIdentifier._init_without_validation(base),
            x509.IPAddress(ip_network(dice.choice(["0.0.0.0/0", "192.0.2.0/24", "::/0"]))),
            x509.DirectoryName(name(dice.choice(["leaf", "LEAF", "other"]))),
        ]
        return dice.sample(forms, dice.randint(1, 2))

    def bytes_of(tbs):
        at = dice.randrange(len(tbs))
        what = dice.randrange(3)
        if what == 0:
            tbs[at] ^= 1 << dice.randrange(8)
        elif what == 1:
            tbs[at] = dice.randrange(256)
        else:
            other = dice.randrange(len(tbs))
            tbs[at], tbs[other] = tbs[other], tbs[at]
        return tbs

    def constrain():
        permitted, excluded = dice.choice([(True, False), (False, True), (True, True)])
        dice.choice(authorities).constraints = (subtrees() if permitted else None, subtrees() if excluded else None)

    def extend(critical):
        policy = x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("1.3.6.1.4.1.32473.3.1"), None)])
        part.extra.append(dice.choice([
            (x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.32473.99"), b"\5\0"), critical),
            (policy, critical),
            (x509.PolicyConstraints(dice.choice([0, 1, None]), 0), True),
            (x509.InhibitAnyPolicy(0), True),
        ]))

    deeds = {
        "nothing": lambda: None,
        "begins later": lambda: setattr(part, "begin", NOW + timedelta(seconds=dice.choice([0, 1, 86400]))),
        # Not in this very second: the last one counts (RFC 5280 section 4.1.2.5), but not for OpenSSL.
        "has ended": lambda: setattr(part, "end", NOW - timedelta(seconds=dice.choice([-1, 1, 86400]))),
        "no authority": lambda: setattr(dice.choice(authorities), "authority", False),
        "path length": lambda: setattr(dice.choice(authorities), "path_length", dice.randrange(3)),
        "key usage": lambda: setattr(part, "usage", not part.usage),
        "purposes": lambda: setattr(part, "uses", dice.choice([[Use.SERVER_AUTH], [Use.EMAIL_PROTECTION], [Use.CLIENT_AUTH], [Use.ANY_EXTENDED_KEY_USAGE], []])),
        "constraints": constrain,
        "constraints again": constrain,
        "other names": lambda: setattr(leaf, "mail", dice.sample(NAMES + ["alice", "Alice@EXAMPLE.org", '"a b"@example.org', "alice@.example.org"], dice.randint(1, 2))),
        "other forms": lambda: leaf.other.append(dice.choice([x509.DNSName("example.org"), x509.UniformResourceIdentifier("tel:+14155552671"), x509.UniformResourceIdentifier("https://example.org/x")])),
        "issuer's name": lambda: setattr(part, "issuer_name", dice.choice(["nobody", "ROOT", "root", "ca 1"])),
        "another key": lambda: setattr(part, "signing_key", dice.choice(KEYS)),
        "dropped": lambda: part.dropped.add(dice.choice(["basic", "usage", "ski", "aki", "uses", "san"])),
        "critical extension": lambda: extend(True),
        "extension": lambda: extend(False),
        "bytes": lambda: setattr(part, "damage", bytes_of),
        "bytes again": lambda: setattr(part, "damage", bytes_of),
        "bytes once more": lambda: setattr(part, "damage", bytes_of),
        "hash": lambda: setattr(part, "algorithm", dice.choice([hashes.SHA384(), hashes.SHA512()])),
    }
    deed = dice.choice(list(deeds))
    deeds[deed]()
    return f"{part.name}: {deed}"


def chain(dice):
    depth = dice.choice([1, 1, 2, 3])
    root = Part(0, "root", True)
    parts = [root] + [Part(n + 1, f"ca {n + 1}", True) for n in range(depth)] + [Part(7, "leaf", False)]
    parts.reverse()
    done = [mutate(parts[:-1] if dice.random() < 0.9 else parts, dice) for _ in range(dice.choice([0, 1, 1, 1, 2, 2, 3]))]
    # What an anchor says of its own issuer is nobody's business (RFC 5280 section 6.1.1 (d)); OpenSSL wants it right.
    root.damage = root.issuer_name = root.signing_key = None
    encodings = [part.build(issuer) for part, issuer in zip(parts, [*parts[1:], root])]
    return encodings, done


def chain_that_can_be(dice):
    """Some faults together cannot be written, such as the same extension twice."""
    while True:
        try:
            return chain(dice)
        except (ValueError, TypeError):
            continue


def ask_cryptography(encodings):
    try:
        certificates = [x509.load_der_x509_certificate(one) for one in encodings]
        store = verification.Store([certificates[-1]])
        builder = verification.PolicyBuilder().store(store).time(NOW).max_chain_depth(8)
        builder.build_client_verifier().verify(certificates[0], certificates[1:-1])
        return None
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]


def ask_openssl(encodings, folder):
    def pem(one):
        text = base64.encodebytes(one).decode()
        return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"

    files = {"leaf": encodings[:1], "between": encodings[1:-1], "root": encodings[-1:]}
    for label, content in files.items():
        (folder / label).write_text("".join(map(pem, content)))
    command = ["openssl", "verify", "-purpose", "sslclient", "-attime", str(int(NOW.timestamp())), "-no-CApath",
               "-no-CAstore", "-CAfile", folder / "root", "-untrusted", folder / "between", folder / "leaf"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode == 0:
        return None
    lines = [line for line in (result.stdout + result.stderr).splitlines() if line.startswith("error ")]
    return lines[0].replace(str(folder), "")[:200] if lines else "failed"


def main(seed, count):
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            encodings, done = chain_that_can_be(dice)
            print(json.dumps({
                "number": number,
                "done": done,
                "time": int(NOW.timestamp()),
                "chain": [base64.b64encode(one).decode() for one in encodings[:-1]],
                "root": base64.b64encode(encodings[-1]).decode(),
                "cryptography": ask_cryptography(encodings),
                "openssl": ask_openssl(encodings, Path(folder)),
            }))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
