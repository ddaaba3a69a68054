"""Identifiers: whether a name is in its canonical spelling."""

import re
import unicodedata

import idna
import phonenumbers

ATEXT = set("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~")
REFUSED_CATEGORIES = {"Cc", "Cf", "Cn", "Co", "Cs", "Lt", "Lu", "Zl", "Zp", "Zs"}
INVISIBLE = (
    {0x034F, 0x115F, 0x1160, 0x3164, 0xFFA0, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F}
    | set(range(0xFE00, 0xFE10))
    | set(range(0xE0100, 0xE01F0))
)


def is_domain(name, dots=1):
    """A domain in lower-case A-labels, with at least so many dots."""
    labels = name.split(".")
    return len(name) <= 253 and len(labels) > dots and all(map(is_label, labels)) and not labels[-1].isdigit()


def is_label(label):
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label):
        return False
    if label[2:4] != "--":
        return True
    try:
        unicode = idna.decode(label)
        return label.startswith("xn--") and idna.encode(unicode, uts46=True).decode() == label
    except (idna.IDNAError, UnicodeError):
        return False


def folded(text):
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def is_part(part):
    """One part of a local part, between the dots."""
    if not part or unicodedata.category(part[0]).startswith("M"):
        return False
    return all(c in ATEXT if c.isascii() else unicodedata.category(c) not in REFUSED_CATEGORIES and ord(c) not in INVISIBLE for c in part)


def is_email(address):
    local, at, domain = address.rpartition("@")
    return bool(
        at
        and len(address.encode()) <= 254
        and len(local.encode()) <= 64
        and folded(local) == local
        and all(map(is_part, local.split(".")))
        and is_domain(domain)
    )


def is_phone(number):
    if not re.fullmatch(r"\+[0-9]{2,15}", number):
        return False
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return False
    canonical = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return phonenumbers.is_valid_number(parsed) and canonical == number


def canonical_service(name):
    """The canonical form of the name that was asked for, None if it has none."""
    try:
        name = idna.encode(name.rstrip("."), uts46=True, std3_rules=True).decode()
    except (idna.IDNAError, UnicodeError):
        return None
    return name if is_domain(name, dots=0) else None
