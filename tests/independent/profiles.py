"""What a leaf must look like: the rules PROF and SAN, and the three profiles."""

from dataclasses import dataclass

import der
import edwards
import names
import x509
from der import DerError, Reader
from refusal import refuse

ARC = "1.3.6.1.4.1.32473"
TRANSPARENCY, LIVE_PERSON = f"{ARC}.1.1", f"{ARC}.2.1"
DAY = 86400


@dataclass(frozen=True)
class Profile:
    policy: str
    kind: str
    key: str
    lifetime: int
    uses: tuple


PERSON_USES = (x509.CLIENT_AUTH, LIVE_PERSON)
PROFILES = {
    "person": [
        Profile(f"{ARC}.3.1", "email", "ed25519", 30 * DAY, PERSON_USES),
        Profile(f"{ARC}.3.2", "phone", "ed25519", 30 * DAY, PERSON_USES),
    ],
    "service": [Profile(f"{ARC}.3.4", "service", "p256", 30 * DAY, (x509.SERVER_AUTH,))],
}
FORMS = {"email": ("rfc822Name", "SmtpUTF8Mailbox"), "phone": ("uri",), "service": ("dNSName",)}
NONCRITICAL = {
    x509.AUTHORITY_KEY_ID, x509.SUBJECT_KEY_ID, x509.POLICIES, x509.EXT_KEY_USAGE, x509.CRL_POINTS,
}


def profile_of(leaf, use):
    """PROF-01."""
    try:
        policies = der.whole(only(leaf, x509.POLICIES), der.SEQUENCE)
        policy = policies.inside(der.SEQUENCE)
        oid = policy.oid()
        policy.end()
        policies.end()
    except DerError as error:
        refuse("PROF-01", error)
    for profile in PROFILES[use]:
        if profile.policy == oid:
            return profile
    refuse("PROF-01", f"policy {oid}")


def only(leaf, oid):
    """The value of the first extension of this kind. How many there are is PROF-06."""
    found = leaf.all_of(oid)
    der.need(found, "the extension is not there")
    return found[0].value


def check(leaf, issuer, use, asked):
    """PROF-01 to SAN-03; the profile and the name."""
    profile = profile_of(leaf, use)
    check_key(leaf, profile)
    if not 0 <= leaf.not_after - leaf.not_before < profile.lifetime:
        refuse("PROF-03", f"{leaf.not_after - leaf.not_before + 1} seconds")
    check_uses(leaf, profile)
    check_extensions(leaf)
    found = san(leaf)
    check_subject(leaf, found, profile)
    check_key_identifiers(leaf, issuer)
    check_crl_point(leaf)
    if not 8 <= len(leaf.serial) <= 20 or leaf.serial[0] >= 0x80 or not any(leaf.serial):
        refuse("PROF-10", leaf.serial.hex())
    return profile, check_san(found, profile, asked)


def check_key(leaf, profile):
    """PROF-02."""
    algorithm = leaf.key_algorithm
    if profile.key == "ed25519":
        if algorithm.oid != x509.ED25519 or algorithm.parameters:
            refuse("PROF-02", algorithm.oid)
        try:
            edwards.public_key(leaf.key)
        except edwards.VrfError as error:
            refuse("PROF-02", error)
        return
    curve = der.encode(der.OID, bytes.fromhex("2a8648ce3d030107"))
    if algorithm.oid != x509.EC_KEY or algorithm.parameters != curve or len(leaf.key) != 65 or leaf.key[0] != 4:
        refuse("PROF-02", algorithm.oid)
    try:
        x509.load_der_public_key(leaf.key_info)
    except ValueError as error:
        refuse("PROF-02", error)


def check_uses(leaf, profile):
    """PROF-04 and PROF-05."""
    try:
        usage = x509.key_usage(only(leaf, x509.KEY_USAGE))
    except DerError as error:
        refuse("PROF-04", error)
    if usage != x509.DIGITAL_SIGNATURE:
        refuse("PROF-04", f"{usage:#x}")
    try:
        uses = x509.extended_key_usage(only(leaf, x509.EXT_KEY_USAGE))
    except DerError as error:
        refuse("PROF-05", error)
    if tuple(uses) != profile.uses:
        refuse("PROF-05", uses)


def check_extensions(leaf):
    """PROF-06. The transparency extension has rules of its own: LOG-01."""
    expected = dict.fromkeys(NONCRITICAL, False)
    expected[x509.KEY_USAGE] = True
    expected[x509.SUBJECT_ALT_NAME] = leaf.subject == der.encode(der.SEQUENCE)
    found = [(extension.oid, extension.critical) for extension in leaf.extensions if extension.oid != TRANSPARENCY]
    if sorted(found) != sorted(expected.items()):
        refuse("PROF-06", sorted(found))


def san(leaf):
    """The names in the subjectAltName: (form, name) of each, None where it cannot be read."""
    forms = {0x81: "rfc822Name", 0x82: "dNSName", 0x86: "uri"}
    try:
        reader, found = der.whole(only(leaf, x509.SUBJECT_ALT_NAME), der.SEQUENCE), []
        while reader.more():
            tag, content, _ = reader.element()
            if tag == 0xA0:
                found.append(other_name(Reader(content)))
            elif tag in forms:
                der.need(content.isascii(), "IA5String with other characters")
                found.append((forms[tag], content.decode("ascii")))
            else:
                found.append((f"{tag:#x}", ""))
        return found
    except DerError:
        return None


def other_name(reader):
    oid = reader.oid()
    value = Reader(reader.expect(0xA0))
    reader.end()
    if oid != x509.SMTP_UTF8_MAILBOX:
        return oid, ""
    name = value.utf8()
    value.end()
    return "SmtpUTF8Mailbox", name


def check_subject(leaf, found, profile):
    """PROF-07: the one name, or nothing if it has more than 64 characters."""
    if not found or len(found) != 1 or found[0][0] not in FORMS[profile.kind]:
        return  # Without one name of the profile's form there is nothing to compare: SAN-01.
    name = found[0][1].removeprefix("tel:") if found[0][0] == "uri" else found[0][1]
    common_name = der.encode(
        der.SEQUENCE,
        der.encode(der.OID, bytes.fromhex("550403")),
        der.encode(der.UTF8_STRING, name.encode()),
    )
    named = der.encode(der.SEQUENCE, der.encode(der.SET, common_name))
    if leaf.subject != (named if len(name) <= 64 else der.encode(der.SEQUENCE)):
        refuse("PROF-07", leaf.subject.hex())


def check_key_identifiers(leaf, issuer):
    """PROF-08."""
    try:
        own = Reader(only(leaf, x509.SUBJECT_KEY_ID))
        subject = own.octets()
        own.end()
        authority = x509.authority_key_identifier(only(leaf, x509.AUTHORITY_KEY_ID))
    except DerError as error:
        refuse("PROF-08", error)
    if subject != x509.key_identifier(leaf.key) or authority != x509.key_identifier(issuer.key):
        refuse("PROF-08", "another key's identifier")


def check_crl_point(leaf):
    """PROF-09."""
    try:
        points = der.whole(only(leaf, x509.CRL_POINTS), der.SEQUENCE)
        point = points.inside(der.SEQUENCE)
        points.end()
        name = point.inside(0xA0)
        point.end()
        full = name.inside(0xA0)
        name.end()
        url = full.expect(0x86)
        full.end()
    except DerError as error:
        refuse("PROF-09", error)
    if not url.startswith((b"http://", b"https://")) or len(url) > 512 or not url.isascii():
        refuse("PROF-09", url)


def check_san(found, profile, asked):
    """SAN-01 to SAN-03: the identifier."""
    if not found or len(found) != 1 or found[0][0] not in FORMS[profile.kind]:
        refuse("SAN-01", found)
    form, name = found[0]
    if profile.kind == "email":
        local = name.rpartition("@")[0]
        if not names.is_email(name) or (form == "rfc822Name") != local.isascii():
            refuse("SAN-02", name)
    elif profile.kind == "phone":
        if not name.startswith("tel:"):
            refuse("SAN-01", name)
        name = name.removeprefix("tel:")
        if not names.is_phone(name):
            refuse("SAN-02", name)
    else:
        if not names.is_domain(name, dots=0):
            refuse("SAN-02", name)
        if name != names.canonical_service(asked):
            refuse("SAN-03", name)
    return name
