"""What certbot's `acme` library does not know: the identifier `email`, the challenge `email-code-00`, certificates that
name a mail address. Written as the author of a client would, from RFC 8555 and docs/spec/enrolment.md alone."""

import email
import pathlib
import time

import josepy as jose
from acme import challenges, client, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

IDENTIFIER_EMAIL = messages.IdentifierType("email")


@challenges.Challenge.register
class EmailCode(challenges.Challenge):
    """A code is mailed, and comes back signed by the account's key."""

    typ = "email-code-00"


@challenges.ChallengeResponse.register
class SendCode(challenges.ChallengeResponse):
    """Asks for the mail: an empty object."""

    typ = "email-code-00-send"

    def __bool__(self):
        # The library takes an object without members for no payload at all.
        return True


@challenges.ChallengeResponse.register
class TypedCode(challenges.ChallengeResponse):
    """The code as typed."""

    typ = "email-code-00-code"
    code: str = jose.field("code")


class NewOrder(messages.NewOrder):
    """With the member of RFC 9773."""

    replaces: str = jose.field("replaces", omitempty=True)


class NewAuthorization(jose.JSONObjectWithFields):
    """RFC 8555 section 7.4.1."""

    identifier: messages.Identifier = jose.field("identifier")


class Client(client.ClientV2):
    """Orders for identifiers of any type."""

    def order(self, identifiers, csr_pem=None, profile=None, replaces=None):
        """newOrder, and its authorizations."""
        asked = NewOrder(identifiers=identifiers, profile=profile, replaces=replaces)
        response = self._post(self.directory["newOrder"], asked)
        body = messages.Order.from_json(response.json())
        authorizations = [self._authzr_from_response(self._post_as_get(url), uri=url) for url in body.authorizations]
        return messages.OrderResource(
            body=body, uri=response.headers["Location"], authorizations=authorizations, csr_pem=csr_pem
        )

    def authorize(self, identifier):
        """newAuthz."""
        response = self._post(self.directory["newAuthz"], NewAuthorization(identifier=identifier))
        return self._authzr_from_response(response)

    def read(self, url):
        """POST-as-GET."""
        return self._post_as_get(url)

    def send(self, url, payload):
        """A signed POST of any payload."""
        return self._post(url, payload)


class Mailed:
    """A person by her mail address: codes are read from the folder where mails land."""

    name = "email"
    type = IDENTIFIER_EMAIL
    host = "example.org"

    def __init__(self, outbox):
        self.outbox = pathlib.Path(outbox)
        self.mails = set()

    def identifier(self, local):
        return messages.Identifier(typ=self.type, value=f"{local}@{self.host}")

    def key(self):
        return ed25519.Ed25519PrivateKey.generate()

    def csr(self, value, key, order=None):
        """Names its order, whose URL nobody could know before: fresh proof that the key is there."""
        return request([x509.RFC822Name(value)], key, None, order)

    def prove(self, acme, authorization):
        [challenge] = [c for c in authorization.body.challenges if isinstance(c.chall, EmailCode)]
        self.mails = {path.name for path in (self.outbox / "new").glob("*")}
        sent = acme.answer_challenge(challenge, SendCode())
        assert sent.body.status == messages.STATUS_PROCESSING, sent
        code = self.code(authorization.body.identifier.value)
        answered = acme.answer_challenge(challenge, TypedCode(code=code))
        assert answered.body.status == messages.STATUS_VALID, answered

    def code(self, address):
        for _ in range(100):
            for path in (self.outbox / "new").glob("*"):
                mail = email.message_from_bytes(path.read_bytes())
                if path.name not in self.mails and mail["To"] == address:
                    text = mail.get_payload(decode=True).decode()
                    lines = [line.strip() for line in text.splitlines()]
                    [code] = [line for line in lines if len(line) == 29 and line.count("-") == 5]
                    return code
            time.sleep(0.05)
        raise AssertionError(f"no mail with a code for {address}")

    def names(self, certificate):
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return san.get_values_for_type(x509.RFC822Name)


class Named:
    """A host by its DNS name, for the reference server, which is told to take every challenge as met."""

    name = "dns"
    type = messages.IDENTIFIER_FQDN

    def identifier(self, local):
        return messages.Identifier(typ=self.type, value=f"{local}.example.org")

    def key(self):
        return ec.generate_private_key(ec.SECP256R1())

    def csr(self, value, key, order=None):
        return request([x509.DNSName(value)], key, hashes.SHA256())

    def prove(self, acme, authorization):
        [challenge] = [c for c in authorization.body.challenges if isinstance(c.chall, challenges.HTTP01)]
        acme.answer_challenge(challenge, challenge.chall.response(acme.net.key))
        for _ in range(200):
            found, _ = acme.poll(authorization)
            if found.body.status == messages.STATUS_VALID:
                return
            time.sleep(0.05)
        raise AssertionError(f"the challenge is {found.body.status}")

    def names(self, certificate):
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return san.get_values_for_type(x509.DNSName)


def request(names, key, digest, order=None):
    """A certificate request (RFC 2986) in PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if order:
        builder = builder.add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, order.encode())
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM)

