"""What a leaf must look like: the rules PROF and SAN, and the five profiles."""

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
    keys: dict  # the allowed kinds of keys, and their keyUsage
    lifetime: int
    uses: tuple
    asserted: tuple = ()  # policies that may stand behind ours, all of them or none
    issuer_access: bool = False
    list_schemes: tuple = (b"http://", b"https://")


LIVE_USES = (x509.CLIENT_AUTH, LIVE_PERSON)
SIGNS = {"ed25519": x509.DIGITAL_SIGNATURE}
MACHINE_KEYS = {"p256": x509.DIGITAL_SIGNATURE}
MAIL_KEYS = {
    "p256": x509.DIGITAL_SIGNATURE | x509.KEY_AGREEMENT,
    "rsa": x509.DIGITAL_SIGNATURE | x509.KEY_ENCIPHERMENT,
    "ed25519": x509.DIGITAL_SIGNATURE,
}
MAIL_USES = (x509.EMAIL_PROTECTION, x509.CLIENT_AUTH)
PROFILES = {
    "person": [
        Profile(f"{ARC}.3.1", "email", SIGNS, 30 * DAY, LIVE_USES),
        Profile(f"{ARC}.3.2", "phone", SIGNS, 30 * DAY, LIVE_USES),
    ],
    "mail": [
        Profile(
            f"{ARC}.3.3", "email", MAIL_KEYS, 90 * DAY, MAIL_USES,
            asserted=("2.23.140.1.5.1.2",), issuer_access=True, list_schemes=(b"http://",),
        )
    ],
    "service": [Profile(f"{ARC}.3.4", "service", MACHINE_KEYS, 30 * DAY, (x509.SERVER_AUTH,))],
    "component": [Profile(f"{ARC}.3.5", "component", MACHINE_KEYS, 30 * DAY, (x509.CLIENT_AUTH,))],
}
MACHINES = ("service", "component")
DNS_FORM = ("dNSName",)
FORMS = {"email": ("rfc822Name", "SmtpUTF8Mailbox"), "phone": ("uri",), "service": DNS_FORM, "component": DNS_FORM}
NONCRITICAL = {
    x509.AUTHORITY_KEY_ID, x509.SUBJECT_KEY_ID, x509.POLICIES, x509.EXT_KEY_USAGE, x509.CRL_POINTS,
}


def profile_of(leaf, use):
    """PROF-01."""
    try:
        policies, found = der.whole(only(leaf, x509.POLICIES), der.SEQUENCE), []
        while policies.more():
            policy = policies.inside(der.SEQUENCE)
            found.append(policy.oid())
            policy.end()
    except DerError as error:
        refuse("PROF-01", error)
    for profile in PROFILES[use]:
        if found and found[0] == profile.policy and tuple(found[1:]) in ((), profile.asserted):
            return profile
    refuse("PROF-01", f"policies {found}")


def only(leaf, oid):
    """The value of the first extension of this kind. How many there are is PROF-06."""
    found = leaf.all_of(oid)
    der.need(found, "the extension is not there")
    return found[0].value


def check(leaf, issuer, use, asked):
    """PROF-01 to SAN-03; the profile and the name."""
    profile = profile_of(leaf, use)
    key = check_key(leaf, profile)
    if not 0 <= leaf.not_after - leaf.not_before < profile.lifetime:
        refuse("PROF-03", f"{leaf.not_after - leaf.not_before + 1} seconds")
    check_uses(leaf, profile, profile.keys[key])
    check_extensions(leaf, profile)
    found = san(leaf)
    check_subject(leaf, found, profile)
    check_key_identifiers(leaf, issuer)
    check_crl_point(leaf, profile)
    if not 8 <= len(leaf.serial) <= 20 or leaf.serial[0] >= 0x80 or not any(leaf.serial):
        refuse("PROF-10", leaf.serial.hex())
    return profile, check_san(found, profile, asked)


def check_key(leaf, profile):
    """PROF-02: the kind of the key."""
    kind = {x509.ED25519: "ed25519", x509.EC_KEY: "p256", x509.RSA_KEY: "rsa"}.get(leaf.key_algorithm.oid)
    if kind not in profile.keys:
        refuse("PROF-02", leaf.key_algorithm.oid)
    try:
        {"ed25519": check_ed25519, "p256": check_p256, "rsa": check_rsa}[kind](leaf)
    except (edwards.VrfError, DerError, ValueError) as error:
        refuse("PROF-02", error)
    return kind


def check_ed25519(leaf):
    der.need(not leaf.key_algorithm.parameters, "Ed25519 has no parameters")
    edwards.public_key(leaf.key)


def check_p256(leaf):
    curve = der.encode(der.OID, bytes.fromhex("2a8648ce3d030107"))
    der.need(leaf.key_algorithm.parameters == curve, "another curve")
    der.need(len(leaf.key) == 65 and leaf.key[0] == 4, "a point that is not uncompressed")
    x509.load_der_public_key(leaf.key_info)


def check_rsa(leaf):
    """NULL parameters; 3072 to 8192 bits in whole octets, no prime factor below 752; an odd exponent from 65537 on."""
    der.need(leaf.key_algorithm.parameters == der.encode(der.NULL), "RSA has NULL parameters")
    key = der.whole(leaf.key, der.SEQUENCE)
    modulus, exponent = key.integer(1), key.integer(1)
    key.end()
    bits = modulus.bit_length()
    der.need(3072 <= bits <= 8192 and bits % 8 == 0, f"a modulus of {bits} bits")
    der.need(all(modulus % divisor for divisor in range(2, 752)), "a modulus with a small factor")
    der.need(65537 <= exponent < 2**32 and exponent % 2, f"the exponent {exponent}")


def check_uses(leaf, profile, expected):
    """PROF-04 and PROF-05."""
    try:
        usage = x509.key_usage(only(leaf, x509.KEY_USAGE))
    except DerError as error:
        refuse("PROF-04", error)
    if usage != expected:
        refuse("PROF-04", f"{usage:#x}")
    try:
        uses = x509.extended_key_usage(only(leaf, x509.EXT_KEY_USAGE))
    except DerError as error:
        refuse("PROF-05", error)
    if tuple(uses) != profile.uses:
        refuse("PROF-05", uses)


def check_extensions(leaf, profile):
    """PROF-06. The transparency extension has rules of its own: LOG-01."""
    expected = dict.fromkeys(NONCRITICAL, False)
    expected[x509.KEY_USAGE] = True
    if profile.issuer_access:
        expected[x509.ISSUER_ACCESS] = False
    expected[x509.SUBJECT_ALT_NAME] = leaf.subject == der.encode(der.SEQUENCE)
    found = [(extension.oid, extension.critical) for extension in leaf.extensions if extension.oid != TRANSPARENCY]
    if sorted(found) != sorted(expected.items()):
        refuse("PROF-06", sorted(found))
    if profile.issuer_access:
        check_issuer_access(only(leaf, x509.ISSUER_ACCESS))


def check_issuer_access(value):
    """One caIssuers, by http."""
    try:
        several = der.whole(value, der.SEQUENCE)
        one = several.inside(der.SEQUENCE)
        several.end()
        der.need(one.oid() == "1.3.6.1.5.5.7.48.2", "no caIssuers")
        url = one.expect(0x86)
        one.end()
        der.need(url.startswith(b"http://") and len(url) <= 512 and url.isascii(), url)
    except DerError as error:
        refuse("PROF-06", error)


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


def crl_address(leaf):
    """The one address of a revocation list that a certificate names."""
    points = der.whole(only(leaf, x509.CRL_POINTS), der.SEQUENCE)
    point = points.inside(der.SEQUENCE)
    points.end()
    name = point.inside(0xA0)
    point.end()
    full = name.inside(0xA0)
    name.end()
    url = full.expect(0x86)
    full.end()
    return url


def check_crl_point(leaf, profile):
    """PROF-09."""
    try:
        url = crl_address(leaf)
    except DerError as error:
        refuse("PROF-09", error)
    if not url.startswith(profile.list_schemes) or len(url) > 512 or not url.isascii():
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
