"""certbot's `acme` library drives an ACME server through everything a client meets: accounts, orders, certificates,
renewal, revocation, key change and refusals.

    drive.py --directory URL --ca-file PEM --kind email --outbox DIR     our authority
    drive.py --directory URL --ca-file PEM --kind dns                    the reference: pebble

The same steps run against both. What a server does not offer (its directory says so) is skipped, and said. Each step is a
line of output; the first failure ends it with exit code 1.
"""

import argparse
import datetime
import json
import sys
import time

import josepy as jose
import requests
from acme import client, errors, jws, messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import person


class Drive:
    """One server, and the accounts at it."""

    def __init__(self, options):
        self.options = options
        self.kind = person.Mailed(options.outbox) if options.kind == "email" else person.Named()
        self.count = 0

    def name(self):
        """An identifier that was not used before."""
        self.count += 1
        return self.kind.identifier(f"person{self.count}")

    def network(self, key, alg):
        network = client.ClientNetwork(key, alg=alg, user_agent="drive/1", timeout=30)
        network.verify_ssl = self.options.ca_file
        return network

    def acme(self, key=None, alg=jose.ES256, account=True, **members):
        """A client, with a new account."""
        key = key or jose.JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        network = self.network(key, alg)
        directory = client.ClientV2.get_directory(self.options.directory, network)
        acme = person.Client(directory, network)
        if account:
            acme.new_account(self.registration(acme, key, **members))
        return acme

    def registration(self, acme, key, **members):
        if self.options.eab and "external_account_binding" not in members:
            name, mac = self.options.eab.split(":")
            members["external_account_binding"] = messages.ExternalAccountBinding.from_data(
                key.public_key(), name, mac, acme.directory
            )
        return messages.NewRegistration(terms_of_service_agreed=True, **members)

    def ready(self, acme, identifier, key=None, **members):
        """An order whose identifier is proven, with its request."""
        key = key or self.kind.key()
        order = acme.order([identifier], **members)
        order = order.update(csr_pem=self.kind.csr(identifier.value, key, order.uri))
        for authorization in order.authorizations:
            if authorization.body.status == messages.STATUS_PENDING:
                self.kind.prove(acme, authorization)
        return order

    def enroll(self, acme, identifier, key=None, **members):
        """A certificate: the finished order and its leaf."""
        order = self.ready(acme, identifier, key, **members)
        order = acme.finalize_order(order, deadline(), fetch_alternative_chains=True)
        return order, leaf(order)


def deadline():
    return datetime.datetime.now() + datetime.timedelta(seconds=60)


def leaf(order):
    return x509.load_pem_x509_certificates(order.fullchain_pem.encode())[0]


def public(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def refused(codes, what):
    """Runs `what`, which is to be refused with one of these errors (the last part of its URN)."""
    try:
        what()
    except messages.Error as error:
        code = error.typ.rsplit(":", 1)[-1]
        assert code in codes, f"expected {codes}, found {error!r}"
        return error
    raise AssertionError(f"expected a refusal ({codes}), found none")


def conflict(what):
    """Runs `what`, which is to be answered with 409: the library gives its Location alone."""
    try:
        what()
    except errors.ConflictError as error:
        return error.location
    raise AssertionError("expected a conflict, found none")


def the_directory(drive):
    acme = drive.acme(account=False)
    for name in ["newNonce", "newAccount", "newOrder", "revokeCert", "keyChange"]:
        assert acme.directory[name].startswith("https://"), name
    for method, codes in [("HEAD", [200]), ("GET", [200, 204])]:
        answer = requests.request(method, acme.directory["newNonce"], verify=drive.options.ca_file, timeout=30)
        # RFC 8555 section 7.2 wants no-store; the reference says no-cache.
        allowed = ["no-store"] if drive.kind.name == "email" else ["no-store", "no-cache"]
        assert any(word in answer.headers["Cache-Control"] for word in allowed), answer.headers
        assert answer.status_code in codes, answer
        assert answer.headers["Replay-Nonce"]
        if drive.kind.name == "email":  # Section 6.1: scripts on other people's pages may be clients.
            assert answer.headers["Access-Control-Allow-Origin"] == "*", answer.headers
    # Section 6.3: by POST-as-GET, too. (The reference does not do this.)
    if drive.kind.name == "email":
        acme = drive.acme()
        assert acme.read(drive.options.directory).json()["newNonce"] == acme.directory["newNonce"]
        assert acme.read(acme.directory["newNonce"]).headers["Replay-Nonce"]


def an_account_by_each_kind_of_key(drive):
    rsa_key = jose.JWKRSA(key=rsa.generate_private_key(65537, 2048))
    for key, alg in [(rsa_key, jose.RS256), (None, jose.ES256)]:
        if drive.options.eab and alg is jose.RS256:
            continue  # A binding counts for one account.
        acme = drive.acme(key, alg, contact=("mailto:somebody@example.org",))
        account = acme.net.account
        again = drive.acme(acme.net.key, alg, account=False)
        assert conflict(lambda a=again: a.new_account(drive.registration(a, a.net.key))) == account.uri
        assert acme.query_registration(account).body.status == "valid"
        changed = acme.update_registration(account, messages.Registration(contact=("mailto:else@example.org",)))
        assert changed.body.contact == ("mailto:else@example.org",), changed


def only_an_existing_account(drive):
    acme = drive.acme(account=False)
    asked = messages.NewRegistration(only_return_existing=True)
    refused(["accountDoesNotExist"], lambda: acme.new_account(asked))


def a_certificate(drive):
    acme = drive.acme()
    identifier, key = drive.name(), drive.kind.key()
    order, certificate = drive.enroll(acme, identifier, key)
    assert drive.kind.names(certificate) == [identifier.value]
    assert public(certificate.public_key()) == public(key.public_key())
    chain = x509.load_pem_x509_certificates(order.fullchain_pem.encode())
    certificate.verify_directly_issued_by(chain[1])
    for alternative in order.alternative_fullchains_pem:
        longer = x509.load_pem_x509_certificates(alternative.encode())
        assert longer[0] == certificate and len(longer) >= 2
    listed = acme.read(acme.net.account.body.orders if hasattr(acme.net.account.body, "orders") else orders_url(acme))
    assert order.uri in listed.json()["orders"], listed.json()


def orders_url(acme):
    return acme.read(acme.net.account.uri).json()["orders"]


def a_renewal_without_a_new_proof(drive):
    """A server may reuse an authorization: ours always does, the reference every other time."""
    acme = drive.acme()
    identifier, key = drive.name(), drive.kind.key()
    _, first = drive.enroll(acme, identifier, key)
    _, second = drive.enroll(acme, identifier, key)
    assert first.serial_number != second.serial_number


def renewal_information(drive):
    acme = drive.acme()
    if not hasattr(acme.directory, "renewalInfo"):
        return "not offered"
    identifier, key = drive.name(), drive.kind.key()
    order, certificate = drive.enroll(acme, identifier, key)
    when, again = acme.renewal_time(order.fullchain_pem.encode())
    assert certificate.not_valid_before_utc < when < certificate.not_valid_after_utc
    assert again > datetime.datetime.now()
    path = client._renewal_info_path_component(certificate)  # As certbot names it.
    renewed, _ = drive.enroll(acme, identifier, key, replaces=path)
    assert acme.read(renewed.uri).json()["replaces"] == path
    conflict(lambda: drive.ready(acme, identifier, key, replaces=path))
    acme.revoke(certificate, 4)
    when, _ = acme.renewal_time(order.fullchain_pem.encode())
    assert when < datetime.datetime.now(datetime.timezone.utc), "a revoked certificate is due at once"
    return None


def profiles(drive):
    acme = drive.acme()
    offered = getattr(acme.directory.meta, "profiles", None)
    if not offered:
        return "not offered"
    order = drive.ready(acme, drive.name(), profile=next(iter(offered)))
    assert order.body.profile in offered
    refused(["invalidProfile"], lambda: acme.order([drive.name()], profile="no-such-profile"))
    return None


def revocation_by_account(drive):
    acme = drive.acme()
    _, certificate = drive.enroll(acme, drive.name())
    refused(["unauthorized"], lambda: drive.stranger().revoke(certificate, 0))
    refused(["badRevocationReason"], lambda: acme.revoke(certificate, 99))
    acme.revoke(certificate, 4)
    refused(["alreadyRevoked"], lambda: acme.revoke(certificate, 4))
    in_the_list(drive, certificate)


def in_the_list(drive, certificate):
    """The serial number stands in the list that the certificate points to, signed by its issuer."""
    if drive.kind.name != "email":
        return
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    url = points[0].full_name[0].value
    answer = requests.get(url, verify=drive.options.ca_file, timeout=30)
    listed = x509.load_der_x509_crl(answer.content)
    assert listed.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def revocation_by_the_certificates_key(drive):
    """RFC 8555 section 7.6: signed by the certificate's own key, without an account."""
    acme = drive.acme()
    key = drive.kind.key()
    _, certificate = drive.enroll(acme, drive.name(), key)
    body = json.dumps({"certificate": b64(certificate.public_bytes(serialization.Encoding.DER)), "reason": 1})
    answer = signed_by(drive, acme, key, acme.directory["revokeCert"], body)
    assert answer.status_code == 200, answer.text
    again = signed_by(drive, acme, key, acme.directory["revokeCert"], body)
    assert again.json()["type"].endswith(":alreadyRevoked"), again.text
    in_the_list(drive, certificate)


def b64(data):
    return jose.encode_b64jose(data)


def signed_by(drive, acme, key, url, body, alg="EdDSA"):
    """A request by the certificate's key; again, if its nonce is refused."""
    answer = signed_once(drive, acme, key, url, body, alg)
    if answer.status_code == 400 and answer.json()["type"].endswith(":badNonce"):
        answer = signed_once(drive, acme, key, url, body, alg)
    return answer


def signed_once(drive, acme, key, url, body, alg):
    """By a key that the library has no type for (Ed25519, RFC 8037), or that it has (P-256)."""
    nonce = acme.net.head(acme.directory["newNonce"]).headers["Replay-Nonce"]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        network = drive.network(jose.JWKEC(key=key), jose.ES256)
        data = jws.JWS.sign(body.encode(), network.key, jose.ES256, jose.decode_b64jose(nonce), url).json_dumps()
    else:
        x = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        header = {"alg": alg, "nonce": nonce, "url": url, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64(x)}}
        protected, payload = b64(json.dumps(header).encode()), b64(body.encode())
        signature = b64(key.sign(f"{protected}.{payload}".encode()))
        data = json.dumps({"protected": protected, "payload": payload, "signature": signature})
    headers = {"Content-Type": "application/jose+json"}
    return requests.post(url, data=data, headers=headers, verify=drive.options.ca_file, timeout=30)


def revocation_by_who_controls_the_identifier(drive):
    """RFC 8555 section 7.6: another account, after proving control. (The reference does not do this.)"""
    if drive.kind.name != "email":
        return "not offered"
    _, certificate = drive.enroll(drive.acme(), identifier := drive.name())
    other = drive.acme()
    refused(["unauthorized"], lambda: other.revoke(certificate, 1))
    drive.kind.prove(other, other.authorize(identifier))
    other.revoke(certificate, 1)
    in_the_list(drive, certificate)
    return None


def key_change(drive):
    acme = drive.acme()
    account, old = acme.net.account, acme.net.key
    url = acme.directory["keyChange"]
    new = jose.JWKEC(key=ec.generate_private_key(ec.SECP256R1()))

    def change(new_key, claimed, account_url):
        inner = json.dumps({"account": account_url, "oldKey": claimed.public_key().to_partial_json()})
        signed = jws.JWS.sign(inner.encode(), new_key, jose.ES256, None, url).to_partial_json()
        return acme.send(url, Raw(signed))

    refused(["malformed"], lambda: change(new, new, account.uri))
    refused(["malformed", "unauthorized"], lambda: change(new, old, account.uri + "x"))
    taken = drive.stranger()
    if drive.kind.name == "email":
        assert conflict(lambda: change(taken.net.key, old, account.uri)) == taken.net.account.uri
    else:  # Section 7.3.5 wants 409 and the other account's URL; the reference answers otherwise.
        refused(["serverInternal"], lambda: change(taken.net.key, old, account.uri))
    change(new, old, account.uri)
    refused(["malformed", "unauthorized"], lambda: acme.read(account.uri))
    acme.net.key = new
    assert acme.read(account.uri).json()["status"] == "valid"


class Raw(jose.JSONDeSerializable):
    """Any JSON as a payload."""

    def __init__(self, value):
        self.value = value

    def to_partial_json(self):
        return self.value

    @classmethod
    def from_json(cls, jobj):
        return cls(jobj)


def refusals(drive):
    acme = drive.acme()
    identifier = drive.name()
    other_kind = messages.Identifier(typ=messages.IdentifierType("carrier-pigeon"), value="coop-7")
    refused(["unsupportedIdentifier", "malformed"], lambda: acme.order([other_kind]))
    order = acme.order([identifier], drive.kind.csr(identifier.value, drive.kind.key()))
    refused(["orderNotReady"], lambda: acme.begin_finalization(order))
    order = drive.ready(acme, identifier)
    wrong = order.update(csr_pem=drive.kind.csr(drive.name().value, drive.kind.key(), order.uri))
    # RFC 8555 section 7.4 names badCSR; the reference says unauthorized where the names differ.
    refused(["badCSR", "unauthorized"], lambda: acme.begin_finalization(wrong))
    stranger = drive.stranger()
    answer = refused(["malformed", "unauthorized"], lambda: stranger.read(order.uri))
    assert answer.detail
    acme.net.account = acme.net.account.update(uri=acme.net.account.uri + "x")
    refused(["accountDoesNotExist", "malformed"], lambda: acme.read(order.uri))


def several_identifiers(drive):
    """One certificate speaks for one person; the reference makes certificates for several hosts."""
    if drive.kind.name != "email":
        return "several are fine there"
    acme = drive.acme()
    error = refused(["rejectedIdentifier"], lambda: acme.order([drive.name(), drive.name()]))
    assert [p.identifier.value for p in error.subproblems] == [f"person{n}@example.org" for n in (drive.count - 1, drive.count)]
    return None


def a_key_that_does_not_fit_its_algorithm(drive):
    """Section 6.2."""
    acme = drive.acme(account=False)
    body = json.dumps({"termsOfServiceAgreed": True})
    key = ed25519.Ed25519PrivateKey.generate()
    answer = signed_by(drive, acme, key, acme.directory["newAccount"], body, alg="ES256")
    codes = ["badPublicKey"] if drive.kind.name == "email" else ["badPublicKey", "badSignatureAlgorithm", "malformed"]
    assert answer.status_code == 400 and answer.json()["type"].rsplit(":", 1)[-1] in codes, answer.text


def a_refused_nonce_and_other_headers(drive):
    acme = drive.acme()
    acme.net._nonces = {b"not a nonce of this server"}
    # The library tries again with the nonce that comes with the refusal (section 6.5), but only once; a server in its test
    # mode may refuse that one too.
    try:
        account = acme.read(acme.net.account.uri)
    except messages.Error as error:
        assert error.code == "badNonce", error
        account = acme.read(acme.net.account.uri)
    assert account.json()["status"] == "valid"
    plain = requests.post(
        acme.directory["newOrder"],
        data="{}",
        headers={"Content-Type": "application/json"},
        verify=drive.options.ca_file,
        timeout=30,
    )
    assert plain.status_code == 415, plain.text
    assert requests.get(acme.directory["newOrder"], verify=drive.options.ca_file, timeout=30).status_code == 405
    # Signed for another URL.
    nonce = jose.decode_b64jose(acme.net.head(acme.directory["newNonce"]).headers["Replay-Nonce"])
    elsewhere = jws.JWS.sign(b"", acme.net.key, jose.ES256, nonce, "https://elsewhere/", acme.net.account.uri)
    answer = requests.post(
        acme.directory["newOrder"],
        data=elsewhere.json_dumps(),
        headers={"Content-Type": "application/jose+json"},
        verify=drive.options.ca_file,
        timeout=30,
    )
    assert answer.json()["type"].rsplit(":", 1)[-1] in ["unauthorized", "malformed"], answer.text


def deactivation(drive):
    acme = drive.acme()
    order = drive.ready(acme, identifier := drive.name())
    [authorization] = [acme.poll(a)[0] for a in order.authorizations]
    assert authorization.body.status == messages.STATUS_VALID
    if drive.kind.name == "email":  # The reference calls it an empty update.
        changed = acme.send(acme.net.account.uri, Raw({"status": "revoked"}))
        assert changed.json()["status"] == "valid", "section 7.3.2: another status is ignored"
    ended = acme.deactivate_authorization(authorization)
    assert ended.body.status == messages.STATUS_DEACTIVATED, ended
    over = acme.read(order.uri).json()
    if drive.kind.name == "email":
        assert [c["error"]["status"] for c in acme.read(authorization.uri).json()["challenges"]] == [400]
    # Section 7.1.6: the order goes with it. (The reference may leave it as it is.)
    assert over["status"] == "invalid" or drive.kind.name != "email", over
    assert acme.order([identifier]).body.status == messages.STATUS_PENDING
    account = acme.net.account
    acme.deactivate_registration(account)
    acme.net.account = account
    refused(["unauthorized"], lambda: acme.order([drive.name()]))
    status = by_account(drive, acme, acme.directory["newOrder"], "{}").status_code
    # Section 7.3.6 wants 401; the reference may say 403.
    assert status == 401 or drive.kind.name != "email" and status == 403, status


def by_account(drive, acme, url, body):
    """A signed request whose answer is shown as it is."""
    for _ in range(3):
        nonce = jose.decode_b64jose(acme.net.head(acme.directory["newNonce"]).headers["Replay-Nonce"])
        data = jws.JWS.sign(body.encode(), acme.net.key, jose.ES256, nonce, url, acme.net.account.uri).json_dumps()
        headers = {"Content-Type": "application/jose+json"}
        answer = requests.post(url, data=data, headers=headers, verify=drive.options.ca_file, timeout=30)
        if not answer.json().get("type", "").endswith(":badNonce"):
            return answer
    return answer


def external_accounts(drive):
    acme = drive.acme(account=False)
    if not acme.external_account_required():
        return "not required"
    key = acme.net.key
    refused(
        ["externalAccountRequired"],
        lambda: acme.new_account(messages.NewRegistration(terms_of_service_agreed=True)),
    )
    name = drive.options.eab.split(":")[0]
    wrong = messages.ExternalAccountBinding.from_data(key.public_key(), name, b64(b"w" * 48), acme.directory)
    refused(["unauthorized"], lambda: acme.new_account(drive.registration(acme, key, external_account_binding=wrong)))
    asked = drive.registration(acme, key)
    made = acme.new_account(asked)
    if drive.kind.name == "email":  # Section 7.3.4. (The reference says that there is one, and not which.)
        assert made.body.external_account_binding == asked.external_account_binding, made
    return None


WITHOUT_BINDING = [
    the_directory,
    an_account_by_each_kind_of_key,
    only_an_existing_account,
    a_certificate,
    a_renewal_without_a_new_proof,
    renewal_information,
    profiles,
    revocation_by_account,
    revocation_by_the_certificates_key,
    revocation_by_who_controls_the_identifier,
    key_change,
    refusals,
    several_identifiers,
    a_key_that_does_not_fit_its_algorithm,
    a_refused_nonce_and_other_headers,
    deactivation,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", required=True, metavar="URL", help="the server's ACME directory")
    parser.add_argument("--ca-file", required=True, metavar="PEM", help="the root that its HTTPS certificate leads to")
    parser.add_argument("--kind", required=True, choices=["email", "dns"], help="the type of identifier it certifies")
    parser.add_argument("--outbox", metavar="DIR", help="where its mails land (Maildir), for --kind email")
    parser.add_argument("--eab", metavar="NAME:KEY", help="an external account; then only its binding is tried")
    options = parser.parse_args()
    drive = Drive(options)
    drive.stranger = lambda: drive.acme()
    for step in [external_accounts] if options.eab else WITHOUT_BINDING:
        began = time.monotonic()
        said = step(drive)
        words = step.__name__.replace("_", " ")
        print(f"{'skip' if said else 'ok':4} {words}{f': {said}' if said else ''} ({time.monotonic() - began:.1f}s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
