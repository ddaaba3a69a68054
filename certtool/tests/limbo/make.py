#!/usr/bin/env python3
"""Writes cases.json: test cases in the form of x509-limbo for what people's certificates are made of.

    pip install -r ../../../identity/tests/python/requirements.txt && python3 make.py > cases.json

The expected results are those of RFC 5280 and RFC 9598, each said in the case's description. Keys and signatures follow
from the names: the file is the same each time.
"""

import json
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from ipaddress import ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Use, NameOID, ObjectIdentifier

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
YEAR = timedelta(days=365)
SMTP_UTF8_MAILBOX = ObjectIdentifier("1.3.6.1.5.5.7.8.9")
UNKNOWN = ObjectIdentifier("1.3.6.1.4.1.32473.99")


def key(name):
    return ec.derive_private_key(int.from_bytes(sha256(name.encode()).digest()[:31], "big") + 1, ec.SECP256R1())


def serial(name):
    return int.from_bytes(sha256(b"serial " + name.encode()).digest()[:15], "big") + 1


def distinguished(name, email=None):
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []
    if email:
        attributes.append(x509.NameAttribute(NameOID.EMAIL_ADDRESS, email))
    return x509.Name(attributes)


class Ca:
    def __init__(self, name, issuer=None, ca=True, path_length=None, usage=True, constraints=None, uses=None,
                 unknown=False, begin=NOW - YEAR, end=NOW + YEAR):
        self.name, self.key, self.subject, self.issuer = name, key(name), distinguished(name), issuer
        signer = issuer or self
        builder = start(self.subject, signer.subject, self.key, serial(name), begin, end)
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length if ca else None), True)
        builder = builder.add_extension(key_usage(sign=not usage, certificates=usage), True)
        builder = identifiers(builder, self.key, signer)
        if constraints:
            builder = builder.add_extension(constraints, True)
        if uses:
            builder = builder.add_extension(x509.ExtendedKeyUsage(uses), False)
        if unknown:
            builder = builder.add_extension(x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), True)
        self.certificate = signed(builder, signer)

    def list(self, *revoked, begin=NOW, end=NOW + timedelta(days=1), signer=None, critical=False):
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.subject)
        builder = builder.last_update(begin).next_update(end).add_extension(x509.CRLNumber(1), False)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
        if critical:
            builder = builder.add_extension(x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), True)
        for number in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(begin).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign((signer or self).key, hashes.SHA256(), ecdsa_deterministic=True)


def start(subject, issuer, subject_key, number, begin, end):
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).serial_number(number)
    return builder.public_key(subject_key.public_key()).not_valid_before(begin).not_valid_after(end)


def key_usage(sign=True, certificates=False):
    return x509.KeyUsage(sign, False, False, False, False, certificates, certificates, False, False)


def identifiers(builder, subject_key, signer):
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(subject_key.public_key()), False)
    return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), False)


def signed(builder, signer):
    return builder.sign(signer.key, hashes.SHA256(), ecdsa_deterministic=True)


def leaf(issuer, names, uses=(Use.CLIENT_AUTH, Use.EMAIL_PROTECTION), email=None, begin=NOW - timedelta(days=1),
         end=NOW + timedelta(days=13), ca=None, unknown=False, common="a person", usage=..., critical=None):
    own = key("leaf")
    builder = start(distinguished(common, email), issuer.subject, own, serial("leaf"), begin, end)
    usage = key_usage() if usage is ... else usage
    if usage:
        builder = builder.add_extension(usage, True)
    builder = identifiers(builder, own, issuer)
    if names:
        critical = not common and not email if critical is None else critical
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical)
    if uses:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), False)
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), True)
    if unknown:
        builder = builder.add_extension(x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), True)
    return signed(builder, issuer)


def mail(text):
    return x509.RFC822Name._init_without_validation(text)


def mailbox(text):
    encoded = text.encode()
    return x509.OtherName(SMTP_UTF8_MAILBOX, bytes([0x0C, len(encoded)]) + encoded)


def uri(text):
    return x509.UniformResourceIdentifier._init_without_validation(text)


def dns(text):
    return x509.DNSName._init_without_validation(text)


def network(text):
    return x509.IPAddress(ip_network(text))


NOWHERE = [uri(""), dns(""), network("0.0.0.0/0"), network("::/0")]
ROOT = Ca("root")
cases = []


def case(name, expected, description, peer, issuers=(), root=ROOT, crls=(), names=(), depth=None, at=NOW, uses=()):
    pem = serialization.Encoding.PEM
    cases.append({
        "id": f"inperson::{name}",
        "conflicts_with": [],
        "features": ["has-crl"] if crls else [],
        "description": description,
        "validation_kind": "CLIENT",
        "trusted_certs": [root.certificate.public_bytes(pem).decode()],
        "untrusted_intermediates": [one.certificate.public_bytes(pem).decode() for one in issuers],
        "peer_certificate": peer.public_bytes(pem).decode(),
        "peer_certificate_key": None,
        "validation_time": at.isoformat(),
        "signature_algorithms": [],
        "key_usage": [],
        "extended_key_usage": list(uses),
        "expected_result": "SUCCESS" if expected else "FAILURE",
        "expected_peer_name": None,
        "expected_peer_names": [{"kind": "RFC822", "value": value} for value in names],
        "max_chain_depth": depth,
        "crls": [one.public_bytes(pem).decode() for one in crls],
    })


def constrained(name, expected, description, peer_names, permitted=(), excluded=(), email=None, in_root=False, expect=()):
    constraints = x509.NameConstraints(list(permitted) or None, list(excluded) or None)
    if in_root:
        root = Ca(f"root {name}", constraints=constraints)
        return case(name, expected, description, leaf(root, peer_names, email=email), root=root, names=expect)
    ca = Ca(f"ca {name}", ROOT, constraints=constraints, path_length=0)
    case(name, expected, description, leaf(ca, peer_names, email=email), [ca], names=expect)


def name_constraints():
    alice = "alice@example.org"
    host, below, box = mail("example.org"), mail(".example.org"), mail(alice)
    c = constrained
    c("rfc822::host", True, "A host permits its mailboxes.", [mail(alice)], [host], expect=[alice])
    c("rfc822::host-case", True, "Hosts have no case.", [mail("alice@EXAMPLE.org")], [mail("Example.ORG")])
    c("rfc822::host-not-below", False, "A host does not permit hosts below it.", [mail("alice@mail.example.org")], [host])
    c("rfc822::host-not-suffix", False, "A host is not a suffix.", [mail("alice@badexample.org")], [host])
    c("rfc822::domain", True, "A leading period permits hosts below.", [mail("alice@mail.example.org")], [below])
    c("rfc822::domain-deep", True, "However far below.", [mail("alice@a.b.example.org")], [below])
    c("rfc822::domain-not-at", False, "But not the domain itself.", [mail(alice)], [below])
    c("rfc822::domain-not-suffix", False, "Nor what ends in the same letters.", [mail("alice@badexample.org")], [below])
    c("rfc822::mailbox", True, "A mailbox permits itself.", [mail(alice)], [box], expect=[alice])
    c("rfc822::mailbox-other", False, "And no other.", [mail("bob@example.org")], [box])
    c("rfc822::mailbox-case", False, "Local parts have case (RFC 5280 section 7.5).", [mail("Alice@example.org")], [box])
    c("rfc822::mailbox-host-case", True, "Hosts of mailboxes have none.", [mail("alice@Example.org")], [box])
    c("rfc822::one-of-several", True, "One of several permitted is enough.", [mail(alice)], [mail("example.com"), host])
    c("rfc822::all-names", False, "Every name must be permitted.", [mail(alice), mail("alice@example.com")], [host])
    c("rfc822::excluded-host", False, "An excluded host.", [mail(alice)], excluded=[host])
    c("rfc822::excluded-domain", False, "An excluded domain.", [mail("alice@mail.example.org")], excluded=[below])
    c("rfc822::excluded-domain-at", True, "Which does not exclude the domain itself.", [mail(alice)], excluded=[below])
    c("rfc822::excluded-mailbox", False, "An excluded mailbox.", [mail(alice)], excluded=[box])
    c("rfc822::excluded-other", True, "Another is excluded.", [mail("bob@example.org")], excluded=[box])
    c("rfc822::excluded-wins", False, "What is excluded is not permitted.", [mail(alice)], [host], [box])
    c("rfc822::permitted-and-excluded", True, "Permitted, and another excluded.", [mail(alice)], [host], [mail("bob@example.org")])
    c("rfc822::in-root", True, "Constraints of the root count (RFC 5937).", [mail(alice)], [host], in_root=True)
    c("rfc822::in-root-refused", False, "Constraints of the root count (RFC 5937).", [mail(alice)], [mail("example.com")], in_root=True)
    c("rfc822::subject", True, "emailAddress in the subject is constrained, too.", [mail(alice)], [host], email=alice)
    c("rfc822::subject-refused", False, "emailAddress in the subject is constrained, too.", [], [host], email="alice@example.com")
    c("rfc822::other-forms-free", True, "Constraints on mailboxes leave URIs free.", [uri("tel:+14155552671")], [host])
    c("rfc822::organisation", True, "Mailboxes of one domain, all other forms excluded.", [mail(alice)], [host, below], NOWHERE, expect=[alice])
    c("rfc822::organisation-phone", False, "There a number is refused.", [uri("tel:+14155552671")], [host, below], NOWHERE)
    c("rfc822::organisation-dns", False, "A DNS name, too.", [dns("www.example.org")], [host, below], NOWHERE)
    c("rfc822::quoted", False, "A quoted local part is not taken apart.", [mail('"a@example.org"@example.com')], [host])
    c("rfc822::no-host", False, "A name without a host.", [mail("alice")], [host])
    c("smtputf8::host", True, "RFC 9598: constraints on rfc822Name hold.", [mailbox("jürgen@example.org")], [host], expect=["jürgen@example.org"])
    c("smtputf8::host-refused", False, "RFC 9598: constraints on rfc822Name hold.", [mailbox("jürgen@example.com")], [host])
    c("smtputf8::domain", True, "And those with a leading period.", [mailbox("jürgen@mail.example.org")], [below])
    c("smtputf8::a-label", True, "Domains are compared as A-labels.", [mailbox("jürgen@xn--bcher-kva.example")], [mail("xn--bcher-kva.example")])
    c("smtputf8::u-label", False, "RFC 9598 section 3: a domain is in A-labels.", [mailbox("jürgen@bücher.example")], [mail("xn--bcher-kva.example")])
    c("smtputf8::mailbox", False, "A constraint on one mailbox permits none that is not ASCII.", [mailbox("jürgen@example.org")], [mail("jurgen@example.org")])
    c("smtputf8::excluded", False, "An excluded host.", [mailbox("jürgen@example.org")], excluded=[host])
    c("uri::no-host", False, "A URI without a host under any constraint on URIs.", [uri("tel:+14155552671")], [uri("example.org")])
    c("uri::host", True, "The very host.", [uri("https://example.org/alice")], [uri("example.org")])
    c("uri::host-below", False, "A host below it.", [uri("https://www.example.org/alice")], [uri("example.org")])
    c("uri::domain", True, "A leading period permits hosts below.", [uri("https://www.example.org:443/")], [uri(".example.org")])
    c("dns::within", True, "A DNS name permits what is below it.", [dns("www.example.org")], [dns("example.org")])
    c("dns::outside", False, "And nothing else.", [dns("badexample.org")], [dns("example.org")])
    c("directory::within", True, "The beginning of the subject.", [mail(alice)], [x509.DirectoryName(distinguished("A  Person"))])
    c("directory::outside", False, "Another subject.", [mail(alice)], [x509.DirectoryName(distinguished("somebody"))])
    c("ip::outside", False, "An address outside the network.", [x509.IPAddress(__import__("ipaddress").ip_address("198.51.100.1"))], [network("192.0.2.0/24")])


def paths():
    alice = [mail("alice@example.org")]
    ca = Ca("ca", ROOT, path_length=0)
    sub = Ca("sub ca", ca)
    wide = Ca("wide ca", ROOT)
    inner = Ca("inner ca", wide)
    case("path::plain", True, "Leaf, CA, root.", leaf(ca, alice), [ca], names=["alice@example.org"])
    case("path::other-name", False, "Somebody else was expected.", leaf(ca, alice), [ca], names=["bob@example.org"])
    case("path::case-of-local-part", False, "Local parts have case.", leaf(ca, alice), [ca], names=["Alice@example.org"])
    case("path::unordered", True, "Issuers in any order, and some that do not belong.", leaf(inner, alice), [ca, inner, sub, wide])
    case("path::missing-issuer", False, "The CA was not sent.", leaf(ca, alice))
    case("path::path-length", False, "A CA under one with path length 0.", leaf(sub, alice), [sub, ca])
    case("path::depth", True, "Two CAs, two allowed.", leaf(inner, alice), [inner, wide], depth=2)
    case("path::too-deep", False, "Two CAs, one allowed.", leaf(inner, alice), [inner, wide], depth=1)
    no_ca = Ca("no ca", ROOT, ca=False)
    case("path::no-ca", False, "The issuer has cA false.", leaf(no_ca, alice), [no_ca])
    no_sign = Ca("no sign", ROOT, usage=False)
    case("path::no-key-cert-sign", False, "The issuer may not sign certificates.", leaf(no_sign, alice), [no_sign])
    odd = Ca("odd ca", ROOT, unknown=True)
    case("path::unknown-critical-in-issuer", False, "An unknown critical extension.", leaf(odd, alice), [odd])
    case("path::unknown-critical-in-leaf", False, "An unknown critical extension.", leaf(ca, alice, unknown=True), [ca])
    case("path::leaf-is-ca", False, "A leaf with cA true.", leaf(ca, alice, ca=True), [ca])
    case("path::empty-subject", True, "An empty subject, and a critical name.", leaf(ca, alice, common=None), [ca])
    old = Ca("old ca", ROOT, end=NOW - timedelta(days=1))
    case("path::issuer-ended", False, "The issuer has ended.", leaf(old, alice), [old])
    case("path::leaf-ended", False, "The leaf has ended.", leaf(ca, alice, end=NOW - timedelta(seconds=1)), [ca])
    case("path::last-second", True, "The last second counts.", leaf(ca, alice, end=NOW), [ca])
    case("path::leaf-not-begun", False, "The leaf begins in a second.", leaf(ca, alice, begin=NOW + timedelta(seconds=1)), [ca])
    case("path::first-second", True, "The first second counts.", leaf(ca, alice, begin=NOW), [ca])
    twin = Ca("twin", ROOT)
    twin.key = key("another twin")
    case("path::wrong-signature", False, "By another key of the same name.", leaf(twin, alice), [Ca("twin", ROOT)])


def uses():
    alice = [mail("alice@example.org")]
    mail_only = Ca("mail ca", ROOT, uses=[Use.EMAIL_PROTECTION])
    both = Ca("both ca", ROOT, uses=[Use.EMAIL_PROTECTION, Use.CLIENT_AUTH])
    case("eku::nested", True, "The issuer has the purpose.", leaf(both, alice), [both], uses=["clientAuth"])
    case("eku::not-nested", False, "The issuer has another purpose.", leaf(mail_only, alice), [mail_only], uses=["clientAuth"])
    case("eku::mail", True, "Mail is what it is for.", leaf(mail_only, alice), [mail_only], uses=["emailProtection"])
    case("eku::two", True, "Both purposes.", leaf(both, alice), [both], uses=["clientAuth", "emailProtection"])
    case("eku::missing", False, "The leaf is for mail only.", leaf(both, alice, uses=[Use.EMAIL_PROTECTION]), [both], uses=["clientAuth"])
    case("eku::unstated", True, "A leaf that does not state purposes serves for all.", leaf(both, alice, uses=None), [both], uses=["clientAuth"])


def lists():
    alice = [mail("alice@example.org")]
    ca, other = Ca("ca", ROOT, path_length=0), Ca("other", ROOT)
    peer, root_list, day = leaf(ca, alice), ROOT.list(), timedelta(days=1)
    case("crl::good", True, "In no list.", peer, [ca], crls=[root_list, ca.list(7)])
    case("crl::revoked", False, "In its issuer's list.", peer, [ca], crls=[root_list, ca.list(7, peer.serial_number)])
    case("crl::issuer-revoked", False, "The issuer is in the root's list.", peer, [ca], crls=[ROOT.list(serial("ca")), ca.list()])
    case("crl::missing", False, "No list of its issuer.", peer, [ca], crls=[root_list])
    case("crl::ended", False, "The list has ended.", peer, [ca], crls=[root_list, ca.list(begin=NOW - 2 * day, end=NOW - day)])
    case("crl::future", False, "The list is from tomorrow.", peer, [ca], crls=[root_list, ca.list(begin=NOW + day, end=NOW + 2 * day)])
    case("crl::wrong-signature", False, "Signed by another.", peer, [ca], crls=[root_list, ca.list(signer=other)])
    case("crl::unknown-critical", False, "An unknown critical extension.", peer, [ca], crls=[root_list, ca.list(critical=True)])
    case("crl::of-another", False, "The list of another CA with the serial number.", peer, [ca, other], crls=[root_list, other.list(peer.serial_number)])
    case("crl::others-serial", True, "The serial number in the list of another CA.", peer, [ca, other], crls=[root_list, ca.list(), other.list(peer.serial_number)])


def smime():
    """What mail programs meet: names, key usage and purposes as the S/MIME BR (7.1.2.3, 7.1.4.2) write them, judged by RFC 5280."""
    alice, for_mail = "alice@example.org", [Use.EMAIL_PROTECTION]
    uses = {"uses": ["emailProtection"], "names": [alice]}
    ca = Ca("mail ca", ROOT, uses=for_mail, path_length=0)
    other = mail("other@example.org")

    def one(name, expected, description, names, **options):
        case(f"smime::{name}", expected, description, leaf(ca, names, uses=options.pop("purposes", for_mail), **options), [ca], **uses)

    one("name", True, "One rfc822Name, the one that is asked for.", [mail(alice)])
    one("no-name", False, "The address in the common name alone is no name.", [], common=alice)
    one("dns-only", False, "A host in place of an address.", [dns("example.org")])
    one("another-mailbox", False, "Another mailbox of the domain.", [other])
    one("another-domain", False, "The mailbox at another domain.", [mail("alice@example.com")])
    one("one-of-two", True, "One of two addresses.", [other, mail(alice)])
    one("critical-name", True, "A critical name beside a subject: CAs SHOULD not, verifiers understand it.", [mail(alice)], critical=True)
    one("critical-name-without-subject", True, "A critical name, and no subject.", [mail(alice)], common=None)
    one("agrees-only", True, "keyAgreement alone serves for encryption.", [mail(alice)], usage=x509.KeyUsage(False, False, False, False, True, False, False, False, False))
    one("commits-only", True, "contentCommitment alone serves for signatures.", [mail(alice)], usage=x509.KeyUsage(False, True, False, False, False, False, False, False, False))
    one("signs-lists-only", False, "cRLSign alone serves for no mail.", [mail(alice)], usage=x509.KeyUsage(False, False, False, False, False, False, True, False, False))
    one("signs-certificates", False, "keyCertSign in what is no CA.", [mail(alice)], usage=x509.KeyUsage(True, False, False, False, False, True, False, False, False))
    one("no-key-usage", True, "A usage that is not stated is not limited.", [mail(alice)], usage=None)
    one("client-only", False, "clientAuth alone.", [mail(alice)], purposes=[Use.CLIENT_AUTH])
    one("any-purpose-only", False, "anyExtendedKeyUsage alone, where emailProtection is asked for.", [mail(alice)], purposes=[Use.ANY_EXTENDED_KEY_USAGE])
    one("server-too", True, "serverAuth beside emailProtection: the CA's fault, not the path's.", [mail(alice)], purposes=[*for_mail, Use.SERVER_AUTH])
    servers = Ca("server ca", ROOT, uses=[Use.SERVER_AUTH])
    case("smime::issuer-for-servers", False, "The issuer is for servers.", leaf(servers, [mail(alice)], uses=for_mail), [servers], **uses)
    no_sign = Ca("list ca", ROOT, usage=False, uses=for_mail)
    case("smime::issuer-may-not-sign", False, "The issuer has no keyCertSign.", leaf(no_sign, [mail(alice)], uses=for_mail), [no_sign], **uses)


name_constraints()
paths()
uses()
smime()
lists()
print(json.dumps({"version": 1, "testcases": cases}, indent=1, ensure_ascii=False))
