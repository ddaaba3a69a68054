"""Name constraints of issuing certificates (CHAIN-09) and their policies (CHAIN-10)."""

import re

import der
import x509
from profiles import only, san
from refusal import refuse

ANY_POLICY = "2.5.29.32.0"
POLICY_MAPPINGS, POLICY_CONSTRAINTS, INHIBIT_ANY_POLICY = "2.5.29.33", "2.5.29.36", "2.5.29.54"
MAIL, URI, DNS, IP = 0x81, 0x86, 0x82, 0x87
TAGS = {"rfc822Name": MAIL, "SmtpUTF8Mailbox": MAIL, "uri": URI, "dNSName": DNS}


def subtrees(value):
    """The permitted and the excluded subtrees: lists of (tag, base)."""
    reader, found = der.whole(value, der.SEQUENCE), {0xA0: [], 0xA1: []}
    der.need(reader.more(), "no constraints at all")
    for tag, bases in found.items():
        if not reader.more() or reader.tag() != tag:
            continue
        inside = der.Reader(reader.expect(tag))
        der.need(inside.more(), "an empty list of subtrees")
        while inside.more():
            subtree = inside.inside(der.SEQUENCE)
            kind, content, _ = subtree.element()
            subtree.end()  # neither minimum nor maximum
            bases.append((kind, understood(kind, content)))
    reader.end()
    return found[0xA0], found[0xA1]


def understood(kind, content):
    if kind == IP:
        der.need(len(content) in (8, 32), "a network of another length")
        half = len(content) // 2
        der.need(re.fullmatch("1*0*", f"{int.from_bytes(content[half:], 'big'):0{half * 8}b}"), "a mask with gaps")
        return content
    if kind not in (MAIL, URI, DNS):
        return content
    text = der.text(content) if content else ""
    host = text.rpartition("@")[2] if kind == MAIL else text
    host = host.removeprefix(".") if kind != DNS and "@" not in text else host
    der.need(not text or is_host(host), f"{text} cannot be understood")
    return text


def is_host(text):
    return bool(re.fullmatch(r"(?i)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", text)) and not text.rpartition(".")[2].isdigit()


def within(kind, base, name, excluded):
    """Whether a name lies in a subtree; in doubt it is excluded, and not permitted."""
    if base == "":
        return excluded or kind == DNS
    if kind == MAIL:
        local, _, host = name.rpartition("@")
        if "@" in base:
            wanted, _, there = base.rpartition("@")
            same = wanted.lower() == local.lower() if excluded else wanted == local
            return same and there.lower() == host
        return host.endswith(base.lower()) and host != base[1:].lower() if base[0] == "." else host == base.lower()
    if kind == DNS:
        return name == base.lower() or name.endswith("." + base.lower())
    return False


def check_names(leaf, issuer):
    """The leaf's names under one issuer's constraints. People and services have no IP and no directory names but their
    subject, which nobody constrains."""
    extension = issuer.extension(x509.NAME_CONSTRAINTS)
    if extension is None:
        return
    permitted, excluded = subtrees(extension.value)
    for form, name in san(leaf) or []:
        kind = TAGS.get(form)
        der.need(kind, f"a name of the form {form} under name constraints")
        mine = [base for tag, base in permitted if tag == kind]
        not_mine = [base for tag, base in excluded if tag == kind]
        if mine or not_mine:
            der.need(kind != URI, f"{name} has no host to be held against constraints")
        der.need(not any(within(kind, base, name, True) for base in not_mine), f"{name} is excluded")
        der.need(not mine or any(within(kind, base, name, False) for base in mine), f"{name} is not permitted")


def check_policies(leaf, issuers):
    """CHAIN-10: every issuing certificate names the leaf's policy, or anyPolicy."""
    own = named(only(leaf, x509.POLICIES))
    for issuer in issuers:
        try:
            allowed = named(only(issuer, x509.POLICIES))
            if issuer.all_of(INHIBIT_ANY_POLICY) or issuer.all_of(POLICY_CONSTRAINTS):
                allowed = [policy for policy in allowed if policy != ANY_POLICY]
            if issuer.all_of(POLICY_MAPPINGS):
                mapped = mappings(only(issuer, POLICY_MAPPINGS))
                allowed = [policy for policy in allowed if policy not in mapped]
        except der.DerError as error:
            refuse("CHAIN-10", error)
        if not {*own, ANY_POLICY} & set(allowed):
            refuse("CHAIN-10", allowed)


def named(value):
    reader, found = der.whole(value, der.SEQUENCE), []
    while reader.more():
        found.append(reader.inside(der.SEQUENCE).oid())
    der.need(len(found) == len(set(found)), "a policy twice")
    return found


def mappings(value):
    """The policies that are mapped."""
    reader, found = der.whole(value, der.SEQUENCE), []
    while reader.more():
        found.append(reader.inside(der.SEQUENCE).oid())
    return found
