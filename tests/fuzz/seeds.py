"""Fills the fuzz corpora with what the shared vectors hold, for each parser what it reads; and with one of each kind of
message, request, file, mail, token and template.

Usage: python3 tests/fuzz/seeds.py
"""

import base64
import gzip
import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
NAMES = HERE / "../../messenger/file-transfer/src/names.json"
CORPUS = HERE / "corpus"
VECTORS = HERE.parent / "vectors"
TRANSPARENCY = bytes.fromhex("060a2b0601040181fd590101")  # the extension's object identifier


def plant(target: str, seed: bytes) -> None:
    """A seed's file is named by its hash, so that planting twice changes nothing."""
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(seed).hexdigest()[:40]).write_bytes(seed)


def vectors(folder: str) -> list:
    return [json.loads(path.read_text()) for path in sorted((VECTORS / folder).glob("*.json"))]


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def element(der: bytes, at: int) -> tuple:
    """Where the content of the element at this place begins and ends."""
    length, at = der[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length, at = int.from_bytes(der[at : at + count], "big"), at + count
    return at, at + length


def extension(der: bytes) -> bytes:
    """The value of a certificate's transparency extension, empty where there is none to be found."""
    at = der.find(TRANSPARENCY)
    if at < 0 or at + len(TRANSPARENCY) + 2 > len(der) or der[at + len(TRANSPARENCY)] != 0x04:
        return b""
    begin, end = element(der, at + len(TRANSPARENCY))
    return der[begin:end]


def evidence(vector: dict) -> bytes:
    """The certificate as evidence: accepted, or refused by the rule of the vector."""
    claim = {"kind": "certificate", "at": vector["now"], "chain": vector["chain"]}
    if vector["kind"] == "mail":
        claim["for"] = "mail"
    if vector["rule"] != "ok":
        claim["refused"] = {"rule": vector["rule"], "expected": "", "found": ""}
    return canonical({"version": 1, "made": vector["now"], "policies": [vector["policy"]], "claim": claim})


def plant_certificate(vector: dict) -> None:
    chain = [base64.b64decode(der) for der in vector["chain"]]
    plant("chains", b"".join(len(der).to_bytes(2, "big") + der for der in chain if len(der) < 2**16))
    for der in chain:
        plant("certificates", der)
        plant("extensions", extension(der))
    for der in vector["crls"]:
        plant("revocation_lists", base64.b64decode(der))
    plant("evidence", evidence(vector))
    plant("trust_policies", vector["policy"].encode())
    plant("log_formats", json.loads(vector["policy"])["tlog_policy"].encode())
    for text in [vector.get("says", {}).get("identifier"), vector.get("service")]:
        if text:
            plant("identifiers", text.encode())


KEYS = [
    b"pkcs11:token=CA;object=people-2;id=%01?module-path=/lib/x.so&pin-source=file:/etc/pin",
    b"file:/etc/passphrase",
    b"credential:ca-keys",
    # openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | openssl pkcs8 -topk8 -scrypt -passout pass:x
    b"""-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHkME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAitlh4pdCDqiQICQAAC
AQgCAQEwHQYJYIZIAWUDBAEqBBCXW4VfQVYYRrpCHonjYNiDBIGQ8XWaHMJhy7hK
pHSzWqsyVW0KaDb+BcAPpyJSzufpm8XiZN1FakynG3Wn8N5HICeoelBbGfIeKHc3
TQY5PsVZEasLJ8uKy9szc0BDrXVQ9W8nTMV54Dmnu4VRZLmp58VFdZCx+svrHT4+
MT4hbz6HN5HDuXlXB7nDGMNgzxgsmVKB1JQwWWOqwH/KR+Ht+juv
-----END ENCRYPTED PRIVATE KEY-----
""",
]


def plant_update(vector: dict) -> None:
    for text in (vector["current"], vector["update"]):
        plant("trust_policies", text.encode())
    claim = {"kind": "entries", "entries": []}
    plant("evidence", canonical({"version": 1, "made": 0, "policies": [vector["current"], vector["update"]], "claim": claim}))
    try:
        proof = json.loads(vector["update"])["proof"]
    except (ValueError, KeyError):
        return
    plant("proofs", proof.encode())
    plant("proofs", proof.partition("\n\n")[2].encode())
    plant("log_formats", proof.encode())


def plant_log_messages() -> None:
    data = HERE.parents[1] / "transparency-log" / "tlog-proof" / "tests" / "data"
    checkpoint = (data / "litewitness-mldsa.checkpoint").read_bytes()
    plant("log_formats", checkpoint)
    plant("log_formats", (data / "litewitness-mldsa.vkey").read_bytes().strip())
    line = base64.b64encode(bytes(32)) + b"\n"
    plant("log_messages", b"old 7\n" + line + line + b"\n" + checkpoint)
    plant("log_messages", b"subtree 8 13\n" + line + line + b"\n" + checkpoint)
    plant("log_messages", checkpoint.rpartition(b"\n\n")[2])
    plant("log_messages", b"70000\n256\nYSB0aWNrZXQ=\n")
    plant("log_messages", b"\0\x42\1\1" + bytes(64))
    plant("log_messages", b"\0\1\0\0\0\x03one\0\1\0\0" + bytes(8) + b"\1" + bytes(32))
    header = b"\0\x0blog.example" + (5).to_bytes(8, "big") + (7).to_bytes(8) + b"\0\0"
    plant("log_messages", header + b"\0\x03one\0\x03two\x01" + bytes(32))
    for numbers in [(0, 1, 1), (8, 13, 14), (256, 300, 600), (0, 7, 9)]:
        plant("log_proofs", b"".join(number.to_bytes(8, "big") for number in numbers) + bytes(range(128)))


def plant_log_requests() -> None:
    """Whom, method, form, path, line's end, body: see the target."""
    line = base64.b64encode(bytes(32)) + b"\n"
    checkpoint = b"log.example/2026\n7\n" + line + "\n— log.example/2026 ".encode() + base64.b64encode(bytes(68)) + b"\n"
    digest = hashlib.sha256(b"log.example/2026").hexdigest().encode()
    for path in [b"", b"checkpoint", b"tile/0/000.p/7", b"tile/entries/000.p/7", b"object/" + b"ab" * 32, b"entry?index=3", b"certificate"]:
        plant("log_requests", b"\0\0\2" + path + b"\n")
    plant("log_requests", b"\0\1\0certificate\npem=-----BEGIN+CERTIFICATE-----%0AAAAA%0A-----END+CERTIFICATE-----")
    for who in (b"\1", b"\2"):
        plant("log_requests", who + b"\1\0add-checkpoint\nold 0\n\n" + checkpoint)
        plant("log_requests", who + b"\0\0" + digest + b"/checkpoint\n")
    plant("log_requests", b"\1\0\0status.json\n")
    plant("log_requests", b"\1\1\0sign-subtree\nsubtree 0 4\n" + line + line + b"\n" + checkpoint)
    header = b"\0\x10log.example/2026" + bytes(8) + (7).to_bytes(8, "big") + b"\0\0"
    package = b"".join(b"\0\x42\1\1" + bytes(64) for _ in range(7)) + b"\0"
    plant("log_requests", b"\2\1\1add-entries\n" + header + package)
    plant("log_requests", b"\2\1\3add-entries\n" + gzip.compress(header + package, mtime=0))
    plant("log_requests", b"\3\1\1entries\n\0\x42\1\1" + bytes(64))
    plant("log_requests", b"\3\1\1object/10\nan object")


def plant_log_files() -> None:
    line = base64.b64encode(bytes(32)).decode()
    plant("log_files", f"3\n{line}\n".encode())
    plant("log_files", canonical({"origin": "log.example/2026", "size": 3, "frontier": [line, line]}))
    stage = bytes(16) + bytes(8) + (11).to_bytes(4, "big") + b"checkpoint\n" + (2).to_bytes(4, "big") + b"\0\2\1\2\0\0"
    plant("log_files", b"inperson-stage-v2\n" + stage)
    plant("log_files", b"inperson-stage-v1\n" + stage[16:])


def url64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


MAIL = b"""DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x; h=from:to:subject; bh=AA==; b=AA==
From: "Alice, A." <alice@example.org>
To: acme@ca.example
Subject: Re: ACME:
 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/html

<p>x</p>
--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

-----BEGIN ACME RESPONSE-----
BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=3D
-----END ACME RESPONSE-----
--b--
""".replace(b"\n", b"\r\n")


def plant_handlers(jwk: dict) -> None:
    """Form, resource, and a payload; or a path, a line's end and a body: see the target."""
    alice = {"type": "email", "value": "alice@example.org"}
    payloads = [
        {"termsOfServiceAgreed": True, "contact": ["mailto:a@example.org"], "onlyReturnExisting": False},
        {"identifiers": [alice], "profile": "mail", "notBefore": "2026-11-24T00:00:00Z", "replaces": "AAAA.AAAA"},
        {"identifier": alice},
        {"protected": url64(canonical({"alg": "EdDSA", "jwk": jwk, "url": "https://ca.example/acme/key-change"})),
         "payload": url64(canonical({"account": "https://ca.example/acme/account/1", "oldKey": jwk})), "signature": url64(bytes(64))},
        {"certificate": url64(b"0\0"), "reason": 1},
        {"identifier": "alice@example.org"},
        {"identifier": "alice@example.org"},
        {"value": url64(bytes(32))},
        {"code": "12345678"},
        {"csr": url64(b"0\0")},
    ]
    for number, payload in enumerate(payloads):
        for resource in (number, 14 + number % 5):
            plant("ca_handlers", bytes([1, resource]) + canonical(payload))
    plant("ca_handlers", bytes([3, 0]) + canonical(payloads[0]))
    for path in ("directory", "new-nonce", "renewal-info/AAAA.AAAA", "crl/people.crl", "crl/people/0.crl", "status", "health", "metrics"):
        plant("ca_handlers", bytes([0, 0]) + path.encode() + b"\n")
    plant("ca_handlers", bytes([6, 0]) + b"new-order\n" + canonical({"protected": "", "payload": "", "signature": ""}))
    plant("ca_handlers", bytes([4, 0]) + b"receipt/1?status=delivered\nx=1")


def plant_ca() -> None:
    plant("ca_mails", MAIL)
    plant("ca_mails", b"DKIM-Signature: v=DKIM1; k=ed25519; t=s; p=" + base64.b64encode(bytes(32)) + b"\r\n\r\n")
    greeting = b"LHLO mx.example\r\nMAIL FROM:<a@b> BODY=8BITMIME SIZE=900\r\nRCPT TO:<@x:acme@ca.example>\r\nDATA\r\n"
    plant("ca_commands", greeting + MAIL.replace(b"\r\n.", b"\r\n..") + b".\r\nQUIT\r\n")
    receipt = b"\0" * 3 + b"491511\0" + b"\0" * 3 + b"\x04" + b"\0" * 9
    text = b"id:0a1B stat:DELIVRD err:000 text:"
    receipt += bytes([len(text)]) + text
    plant("ca_commands", (16 + len(receipt)).to_bytes(4, "big") + (5).to_bytes(4, "big") + bytes(4) + (1).to_bytes(4, "big") + receipt)
    plant("ca_commands", (16).to_bytes(4, "big") + (0x15).to_bytes(4, "big") + bytes(4) + (1).to_bytes(4, "big"))
    origin, alice = b"ca.example/log", b"alice@example.org"
    counted = [len(part).to_bytes(2, "big") + part for part in (origin, alice)]
    plant("ca_commands", b"inperson-label-v1\0" + counted[0] + b"\1" + counted[1] + (2900).to_bytes(4, "big") + b"\x09")
    ed25519 = {"crv": "Ed25519", "kty": "OKP", "x": url64(bytes(32))}
    rsa = {"e": "AQAB", "kty": "RSA", "n": url64(b"\x81" * 256), "kid": "a", "use": "sig"}
    for jwk in (ed25519, rsa):
        plant("ca_requests", canonical(jwk))
        protected = canonical({"alg": "EdDSA", "nonce": "AA", "url": "https://ca.example/acme/new-order", "jwk": jwk})
        body = {"protected": url64(protected), "payload": url64(b"{}"), "signature": url64(bytes(64))}
        plant("ca_requests", canonical(body))
    plant_handlers(ed25519)
    claims = {
        "iss": "https://login.example", "sub": "1", "aud": ["device"], "azp": "device", "exp": 1795435300, "iat": 1795435200,
        "nbf": 0, "nonce": "nonce", "email": "alice@example.org", "email_verified": True,
    }
    token = ".".join([url64(canonical({"alg": "RS256", "kid": "a"})), url64(canonical(claims)), url64(bytes(256))])
    plant("ca_tokens", token.encode() + b"\n" + canonical({"keys": [ed25519, rsa]}))
    for preset in sorted((HERE.parents[1] / "ca" / "src" / "sms" / "presets").glob("*.toml")):
        plant("ca_texts", preset.read_bytes() + b"\0status=delivered&x=1")
    plant("ca_texts", b'url = "https://h/{secret.key}?a={to}"\njson = { a = ["{digits}"], t = "{text}" }\0{"a":[1]}')


def plant_probes() -> None:
    """The vectors of docs/spec/peer.md."""
    page = (HERE.parents[1] / "docs" / "spec" / "peer.md").read_text()
    for line in page.splitlines():
        if line.startswith(("0a0", "0a1")):
            plant("peer_probes", bytes.fromhex(line.split()[0]))


def plant_observations() -> None:
    """STUN: a plain request, one for the other port, an answer (RFC 8489, RFC 5780)."""
    cookie = bytes.fromhex("2112a442") + bytes(12)
    plant("directory_frames", b"\0\1\0\0" + cookie)
    plant("directory_frames", b"\0\1\0\x08" + cookie + b"\0\3\0\4\0\0\0\2")
    plant("directory_frames", b"\1\1\0\x0c" + cookie + b"\0\x20\0\x08\0\1\x30\x43\xe1\x12\xa6\x43")


def plant_cluster() -> None:
    """What one node of a directory says to another: each piece behind its length in two bytes."""
    said = [bytes.fromhex(one["hex"]) for one in json.loads((VECTORS / "cluster" / "messages.json").read_text())]
    pieces = [len(one).to_bytes(2, "big") + one for one in said]
    for piece in pieces:
        plant("cluster_packets", piece)
    plant("cluster_packets", b"".join(pieces))


def tlv(tag: int, *parts: bytes) -> bytes:
    """An element in DER."""
    content = b"".join(parts)
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([len(content)]) if len(content) < 0x80 else bytes([0x80 | len(length)]) + length) + content


def plant_signed_message(leaf: bytes) -> None:
    """A signed message (RFC 5652) around a certificate, with and without what was signed; its signature is none."""
    number, pkcs7, pkcs9 = b"\x02\x01\x01", bytes.fromhex("2a864886f70d0107"), bytes.fromhex("2a864886f70d0109")
    sha256 = tlv(0x30, tlv(0x06, bytes.fromhex("608648016503040201")))
    ecdsa = tlv(0x30, tlv(0x06, bytes.fromhex("2a8648ce3d040302")))
    data = tlv(0x06, pkcs7 + b"\x01")
    digest = hashlib.sha256(b"Yours, Alice").digest()
    attributes = [tlv(0x30, tlv(0x06, pkcs9 + b"\x03"), tlv(0x31, data)),
                  tlv(0x30, tlv(0x06, pkcs9 + b"\x04"), tlv(0x31, tlv(0x04, digest)))]
    # The serial number and the issuer are the second and the fourth element of what is signed in a certificate.
    tbs, _ = element(leaf, element(leaf, 0)[0])
    ends = [tbs]
    for _ in range(4):
        ends.append(element(leaf, ends[-1])[1])
    signer = tlv(0x30, leaf[ends[3] : ends[4]], leaf[ends[1] : ends[2]])
    info = tlv(0x30, number, signer, sha256, tlv(0xA0, *attributes), ecdsa, tlv(0x04, bytes(70)))
    for content in (b"", tlv(0xA0, tlv(0x04, b"Yours, Alice"))):
        signed = tlv(0x30, number, tlv(0x31, sha256), tlv(0x30, data, content), tlv(0xA0, leaf), tlv(0x31, info))
        plant("signed_messages", tlv(0x30, tlv(0x06, pkcs7 + b"\x02"), tlv(0xA0, signed)))


def plant_endorsement(leaf: bytes) -> None:
    """By the device of this certificate, of another one; as it travels, and as a file."""
    end = (1796644800).to_bytes(4, "big")
    members = [b"\x59" + len(leaf).to_bytes(2, "big") + leaf, b"\x58\x20" + bytes(32), b"\x1a" + end, b"\x58\x40" + bytes(64)]
    endorsement = b"\x84" + b"".join(members)
    plant("endorsements", endorsement)
    text = base64.b64encode(endorsement)
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    label = b"INPERSON ENDORSEMENT-----"
    plant("endorsements", b"-----BEGIN " + label + b"\n" + lines + b"\n-----END " + label + b"\n")



def plant_mail(leaf: bytes) -> None:
    """A certificate for mail, as one device tells it another; and that there is none."""
    plant("peer_frames", b"\x82\x08\x81\x59" + len(leaf).to_bytes(2, "big") + leaf)
    plant("peer_frames", b"\x82\x08\x80")


def plant_large_rooms() -> None:
    """Circulars, with a text and with who is writing; what is offered to all, withdrawn, and asked for."""
    named = b"\x50" + bytes(16) + b"\x07\x58\x20" + bytes(32) + b"\x58\x20" + bytes(32) + b"\x41\xff\x01"
    for content in (b"\x83\x00\x48" + bytes(8) + b"\x44" + bytes(4), b"\x81\x01"):
        plant("peer_frames", b"\x83\x18\x1e\x87" + named + content + b"\x58\x40" + bytes(64))
    number = b"\x50" + bytes(16)
    plant("peer_frames", b"\x84\x02\x07\x03\x83\x00" + number + b"\x84\x63tea\xf4\x01\x09")
    plant("peer_frames", b"\x84\x02\x07\x03\x82\x01" + number)
    plant("peer_frames", b"\x84\x06\x01\x07\x83\x07" + number + b"\x82\x04" + number)


def plant_entrances() -> None:
    """The invitation to an epoch, by itself and as the host sends it; and messages in the clear."""
    invited = b"\x86\x50" + bytes(16) + b"\x02\x58\x20" + bytes(32) + b"\x04\x05\x58\x20" + bytes(32)
    invitation = b"\x82" + invited + b"\x58\x40" + bytes(64)
    plant("peer_frames", invitation)
    plant("peer_frames", b"\x84\x18\x18\x50" + bytes(16) + b"\x41\x00" + invitation)
    plant("peer_frames", b"\x82\x17\x50" + bytes(16))
    for name, message in json.loads((VECTORS / "mls" / "messages.json").read_text())[0].items():
        if name.startswith("public_message"):
            plant("peer_frames", bytes.fromhex(message))
            plant("peer_frames", b"\x83\x18\x19\x50" + bytes(16) + b"\x59" + (len(message) // 2).to_bytes(2, "big") + bytes.fromhex(message))


def main() -> None:
    plant_log_messages()
    plant_log_requests()
    plant_log_files()
    plant_ca()
    plant_probes()
    plant_observations()
    plant_cluster()
    plant_large_rooms()
    plant_entrances()
    for vector in vectors("certificate"):
        plant_certificate(vector)
        if vector["rule"] == "ok":
            plant_signed_message(base64.b64decode(vector["chain"][0]))
            plant_endorsement(base64.b64decode(vector["chain"][0]))
            plant_mail(base64.b64decode(vector["chain"][0]))
    for vector in vectors("policy-update"):
        plant_update(vector)
    for vector in vectors("dated-signature"):
        plant("proofs", vector["proof"].encode())
    for text in ["alice@example.org", "jürgen@bücher.example", "+14155550123", "δοκιμή@παράδειγμα.δοκιμή", "a·b@l·l.example"]:
        plant("identifiers", text.encode())
    for offered, _ in json.loads(NAMES.read_text()):
        plant("file_names", offered.encode())
    for key in KEYS:
        plant("key_files", key)
    words = b"letter advice cage absurd amount doctor acoustic avoid " * 2 + b"letter advice cage absurd amount doctor acoustic bless"
    plant("recovery_phrases", words)
    plant("recovery_phrases", b"".join(b"%d. %s\n" % (at, word[:4].upper()) for at, word in enumerate(words.split(), 1)))
    # As openssl wrote them: by PBES2, by what was usual before, and what no passphrase protects from being altered.
    for path in sorted((HERE / "pkcs12").glob("*.p12")):
        plant("pkcs12_files", path.read_bytes())
    for path in sorted((HERE / "encrypted").glob("*.p7?")):
        plant("encrypted_messages", path.read_bytes())


main()
