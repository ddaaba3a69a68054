"""X.509 certificates and revocation lists (RFC 5280), read from strict DER."""

from calendar import timegm
from dataclasses import dataclass
from hashlib import sha256
from time import strptime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

import der
from der import DerError, Reader, need

# Extensions
AUTHORITY_KEY_ID, SUBJECT_KEY_ID, KEY_USAGE = "2.5.29.35", "2.5.29.14", "2.5.29.15"
POLICIES, SUBJECT_ALT_NAME, BASIC_CONSTRAINTS = "2.5.29.32", "2.5.29.17", "2.5.29.19"
EXT_KEY_USAGE, CRL_POINTS, NAME_CONSTRAINTS = "2.5.29.37", "2.5.29.31", "2.5.29.30"
CRL_NUMBER, ISSUER_ACCESS, CRL_PLACE = "2.5.29.20", "1.3.6.1.5.5.7.1.1", "2.5.29.28"
# Keys and signatures
EC_KEY, P256, P384, ED25519 = "1.2.840.10045.2.1", "1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.101.112"
RSA_KEY = "1.2.840.113549.1.1.1"
SIGNATURES = {  # algorithm: (curve of the key, hash)
    "1.2.840.10045.4.3.2": ("secp256r1", hashes.SHA256),
    "1.2.840.10045.4.3.3": ("secp384r1", hashes.SHA384),
}
# Uses
CLIENT_AUTH, SERVER_AUTH = "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"
EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4"
# Names
COMMON_NAME, SMTP_UTF8_MAILBOX = "2.5.4.3", "1.3.6.1.5.5.7.8.9"

# Bits of keyUsage, as masks over the first byte
DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, KEY_AGREEMENT, KEY_CERT_SIGN, CRL_SIGN = 0x80, 0x20, 0x08, 0x04, 0x02


@dataclass
class Extension:
    oid: str
    critical: bool
    value: bytes
    encoding: bytes


@dataclass
class Algorithm:
    oid: str
    parameters: bytes
    encoding: bytes


@dataclass
class Certificate:
    encoding: bytes
    tbs: bytes
    serial: bytes  # the octets of the INTEGER
    inner: Algorithm
    outer: Algorithm
    signature: bytes
    issuer: bytes
    subject: bytes
    not_before: int
    not_after: int
    key_algorithm: Algorithm
    key: bytes
    key_info: bytes
    extensions: list
    before_extensions: list  # the encodings of the fields of the TBSCertificate before its extensions

    def all_of(self, oid):
        return [extension for extension in self.extensions if extension.oid == oid]

    def extension(self, oid):
        """The extension if it is there exactly once, else None."""
        found = self.all_of(oid)
        return found[0] if len(found) == 1 else None

    def tbs_without(self, oid):
        """The TBSCertificate as it would be without the extension."""
        kept = [extension.encoding for extension in self.extensions if extension.oid != oid]
        extensions = [der.encode(0xA3, der.encode(der.SEQUENCE, *kept))] if kept else []
        return der.encode(der.SEQUENCE, *self.before_extensions, *extensions)


def algorithm(reader):
    encoding = reader.element()[2]
    inner = der.whole(encoding, der.SEQUENCE)
    oid = inner.oid()
    parameters = inner.element()[2] if inner.more() else b""
    inner.end()
    return Algorithm(oid, parameters, encoding)


def time(reader):
    """RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime after it; seconds since the epoch."""
    tag, content, _ = reader.element()
    need(tag in (der.UTC_TIME, der.GENERALIZED_TIME), "no time")
    digits, zone = content[:-1].decode("ascii", "replace"), content[-1:]
    need(zone == b"Z" and digits.isascii() and digits.isdigit(), "time that is not in UTC to the second")
    if tag == der.UTC_TIME:
        need(len(digits) == 12, "UTCTime of another length")
        digits = ("19" if digits[0] >= "5" else "20") + digits
    else:
        need(digits[:4] >= "2050", "GeneralizedTime before 2050")
    need(len(digits) == 14, "time of another length")
    try:
        need(int(digits[12:]) < 60, "leap second")
        return timegm(strptime(digits, "%Y%m%d%H%M%S"))
    except ValueError as error:
        raise DerError(str(error)) from error


def extensions(reader):
    found = []
    while reader.more():
        encoding = reader.element()[2]
        one = der.whole(encoding, der.SEQUENCE)
        oid = one.oid()
        critical = one.optional(der.BOOLEAN)
        need(critical is None or critical == b"\xff", "critical written as FALSE, which is the default")
        found.append(Extension(oid, critical is not None, one.octets(), encoding))
        one.end()
    need(found, "empty list of extensions")
    return found


def certificate(encoding):
    """CHAIN-02: an X.509 v3 certificate in strict DER."""
    der.check(encoding)
    outer = der.whole(encoding, der.SEQUENCE)
    tbs = outer.element()[2]
    outer_algorithm = algorithm(outer)
    unused, signature = outer.bits()
    need(unused == 0, "a signature has whole bytes")
    outer.end()

    reader = der.whole(tbs, der.SEQUENCE)
    version = Reader(reader.expect(0xA0))
    version.integer(2, 2)
    version.end()
    serial = reader.expect(der.INTEGER)
    inner_algorithm = algorithm(reader)
    need(reader.tag() == der.SEQUENCE, "no issuer")
    issuer = reader.element()[2]
    validity = reader.inside(der.SEQUENCE)
    not_before, not_after = time(validity), time(validity)
    validity.end()
    need(reader.tag() == der.SEQUENCE, "no subject")
    subject = reader.element()[2]
    key_info = reader.element()[2]
    info = der.whole(key_info, der.SEQUENCE)
    key_algorithm = algorithm(info)
    unused, key = info.bits()
    need(unused == 0, "a key has whole bytes")
    info.end()
    fields = reader.data[: reader.at]
    read = []
    if reader.more():
        wrapper = Reader(reader.expect(0xA3))
        read = extensions(wrapper.inside(der.SEQUENCE))
        wrapper.end()
    reader.end()
    return Certificate(
        encoding, tbs, serial, inner_algorithm, outer_algorithm, signature, issuer, subject,
        not_before, not_after, key_algorithm, key, key_info, read, [fields],
    )


def signed_by(message, signing_algorithm, signature, issuer):
    """Whether `issuer` signed, with an algorithm we allow and the key that belongs to it."""
    allowed = SIGNATURES.get(signing_algorithm.oid)
    if allowed is None or signing_algorithm.parameters:
        return False
    try:
        key = load_der_public_key(issuer.key_info)
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != allowed[0]:
            return False
        key.verify(signature, message, ec.ECDSA(allowed[1]()))
    except (InvalidSignature, ValueError):
        return False
    return True


def key_identifier(key):
    """RFC 7093 section 2, method 1."""
    return sha256(key).digest()[:20]


def extended_key_usage(value):
    reader, uses = der.whole(value, der.SEQUENCE), []
    while reader.more():
        uses.append(reader.oid())
    return uses


def key_usage(value):
    """The first byte of the bits, with 0x100 set where there are more."""
    reader = Reader(value)
    unused, bits = reader.bits()
    reader.end()
    need(bits and bits[-1] >> unused & 1, "named bits have no zeros at the end")
    return bits[0] | (0x100 if len(bits) > 1 else 0)


def basic_constraints(value):
    """Whether this is a CA, and its pathLen if it has one."""
    reader = der.whole(value, der.SEQUENCE)
    authority = reader.optional(der.BOOLEAN)
    need(authority is None or authority == b"\xff", "cA written as FALSE, which is the default")
    length = reader.integer(0) if reader.more() else None
    reader.end()
    return authority is not None, length


def authority_key_identifier(value):
    """The key identifier; no other field is expected."""
    reader = der.whole(value, der.SEQUENCE)
    identifier = reader.expect(0x80)
    reader.end()
    return identifier


@dataclass
class RevocationList:
    tbs: bytes
    inner: Algorithm
    outer: Algorithm
    signature: bytes
    issuer: bytes
    this_update: int
    next_update: int
    serials: dict  # when each was revoked, by serial number
    number: int
    authority_key_id: bytes
    place: object  # the Extension issuingDistributionPoint, or None


def revocation_list(encoding):
    """REV-03: a v2 list in strict DER, complete or of one place."""
    need(len(encoding) <= 4 * 1024 * 1024, "more than 4 MiB")
    der.check(encoding)
    outer = der.whole(encoding, der.SEQUENCE)
    tbs = outer.element()[2]
    outer_algorithm = algorithm(outer)
    unused, signature = outer.bits()
    need(unused == 0, "a signature has whole bytes")
    outer.end()

    reader = der.whole(tbs, der.SEQUENCE)
    reader.integer(1, 1)
    inner_algorithm = algorithm(reader)
    issuer = reader.element()[2]
    this_update = time(reader)
    need(reader.tag() in (der.UTC_TIME, der.GENERALIZED_TIME), "no nextUpdate")
    next_update = time(reader)
    serials = {}
    if reader.tag() == der.SEQUENCE:
        entries = reader.inside(der.SEQUENCE)
        need(entries.more(), "an empty list of entries is left out")
        while entries.more():
            entry = entries.inside(der.SEQUENCE)
            serial = entry.expect(der.INTEGER)
            serials[serial] = time(entry)
            if entry.more():
                need(not any(e.critical for e in extensions(entry.inside(der.SEQUENCE))), "critical extension of an entry")
            entry.end()
    wrapper = Reader(reader.expect(0xA0))
    read = extensions(wrapper.inside(der.SEQUENCE))
    wrapper.end()
    reader.end()
    need(not any(extension.critical and extension.oid != CRL_PLACE for extension in read), "critical extension")
    values = {extension.oid: extension.value for extension in read}
    need(len(values) == len(read), "an extension twice")
    need(CRL_NUMBER in values and AUTHORITY_KEY_ID in values, "no number, or no authority key identifier")
    number = Reader(values[CRL_NUMBER])
    count = number.integer(0)
    number.end()
    need(this_update < next_update <= this_update + 10 * 86400, "next update is too far")
    need(inner_algorithm.encoding == outer_algorithm.encoding, "two signature algorithms")
    return RevocationList(
        tbs, inner_algorithm, outer_algorithm, signature, issuer, this_update, next_update,
        serials, count, authority_key_identifier(values[AUTHORITY_KEY_ID]),
        next((extension for extension in read if extension.oid == CRL_PLACE), None),
    )


def place_of(extension):
    """REV-06: the address a partitioned list names. A list that is narrower than its place is none of ours."""
    need(extension.critical, "issuingDistributionPoint is critical")
    reader = der.whole(extension.value, der.SEQUENCE)
    name = reader.inside(0xA0)
    full = name.inside(0xA0)
    name.end()
    url = full.expect(0x86)
    full.end()
    if reader.more():
        # onlyContainsUserCerts, which says what is so in any case.
        need(reader.expect(0x81) == b"\xff", "onlyContainsUserCerts is true or left out")
    reader.end()
    need(url.isascii(), "an address in ASCII")
    return url
