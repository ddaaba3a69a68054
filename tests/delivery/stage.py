"""Mail domains as a sender finds them: names by BIND, with a root of our own that is signed (DNSSEC), mail servers by
aiosmtpd, each at an address of its own (127.0.0.2 and on), and policies (MTA-STS) over HTTPS. Between the sender and BIND
sits a resolver that lies about some domains.

Usage: stage.py FOLDER. On standard output, one JSON object a line: first {"dns", "smtp", "policies"} with the ports, then
{"to", "server", "tls"} for every mail that was taken. The line "policies off" on standard input takes away policies and the
records that say there are some. FOLDER gets roots.pem and anchors.txt.
"""

import asyncio
import datetime
import glob
import hashlib
import http.server
import ipaddress
import json
import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import threading

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FOLDER = sys.argv[1]
# Domain, name in its server's certificate, whether it offers STARTTLS, its TLSA record's key, its policy's mode.
DOMAINS = [
    ("dane.example", "self-signed.invalid", True, "right", None),
    ("issuer.example", "mx.issuer.example", True, "issuer", None),
    ("wrong.example", "mx.wrong.example", True, "wrong", None),
    ("stripped.example", "mx.stripped.example", False, "right", None),
    ("enforced.example", "mx.enforced.example", True, None, "enforce"),
    ("misnamed.example", "elsewhere.example", True, None, "enforce"),
    ("unlisted.example", "mx.unlisted.example", True, None, "enforce unlisted"),
    ("downgraded.example", "mx.downgraded.example", False, None, "enforce"),
    ("testing.example", "elsewhere.example", True, None, "testing"),
    ("both.example", "self-signed.invalid", True, "wrong", "enforce"),
    ("encrypted.example", "self-signed.invalid", True, None, None),
    ("plain.example", "mx.plain.example", False, None, None),
    # Its records are not signed: what they say of keys counts for nothing.
    ("unsigned.example", "self-signed.invalid", True, "wrong", None),
    # Without an MX record it is its server itself.
    ("bare.example", "self-signed.invalid", True, "right", None),
    # The resolver lies: a server of another domain, whose records are true, before its own;
    ("injected.example", "self-signed.invalid", True, "right", None),
    ("lure.example", "self-signed.invalid", True, None, None),
    # an unsigned record of another domain beside its keys; another domain's in place of its keys, or of its servers.
    ("smuggled.example", "self-signed.invalid", True, "wrong", None),
    ("denied.example", "self-signed.invalid", True, "wrong", None),
    ("hidden.example", "self-signed.invalid", True, "wrong", None),
    # Signatures are taken away, or keys changed below them.
    ("shorn.example", "self-signed.invalid", True, "wrong", None),
    ("bogus.example", "self-signed.invalid", True, "wrong", None),
    # A policy that is somewhere else, where it would forbid this server.
    ("redirected.example", "mx.redirected.example", True, None, "enforce redirected"),
    # It has a server, and says that it takes no mail.
    ("null.example", "mx.null.example", True, None, None),
    # Its server's name is an alias: for one with keys, beside its own keys, or without any;
    ("aliased.example", "self-signed.invalid", True, "wrong", None),
    ("twice.example", "self-signed.invalid", True, "right", None),
    ("beside.example", "self-signed.invalid", True, "wrong", None),
    # whose certificate goes by the other name, which is asked for;
    ("renamed.example", "real.renamed.example", True, "issuer", None),
    # out of what is signed, though the alias itself is, and the keys beside it are.
    ("outward.example", "self-signed.invalid", True, "wrong", None),
    # It lets everybody wait.
    ("slow.example", "mx.slow.example", True, None, None),
]


def path(name):
    return os.path.join(FOLDER, name)


def write(name, content):
    with open(path(name), "wb" if isinstance(content, bytes) else "w") as file:
        file.write(content)
    return path(name)


def free_port():
    """For the name server, which binds it for datagrams: nobody can keep that one for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def own_port():
    """A port of all addresses for who listens with SO_REUSEADDR; and the socket that keeps it from others as long as it is
    there, for it is bound and does not listen."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("0.0.0.0", 0))
    return held.getsockname()[1], held


class Issuer:
    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test root")])
        self.certificate = self.build(self.name, self.key, x509.BasicConstraints(True, None))

    def build(self, subject, key, extension):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=30)).add_extension(extension, False)
        return builder.sign(self.key, hashes.SHA256())

    def context(self, file, names):
        """TLS for these names, with the chain; and the certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.build(x509.Name([]), key, x509.SubjectAlternativeName([x509.DNSName(n) for n in names]))
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        for one in (certificate, self.certificate):
            pem += one.public_bytes(serialization.Encoding.PEM)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(write(file, pem))
        return context, certificate


def digest(certificate):
    """SHA-256 of its SubjectPublicKeyInfo, as 3 1 1 and 2 1 1 have it."""
    spki = certificate.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def only_for(context, name):
    """Shows no certificate to who asks for another name's."""
    def judge(_, asked, __):
        return None if asked == name else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = judge
    return context


class Silent(asyncio.Protocol):
    """Says nothing, and lets nobody go."""

    def __init__(self, domain):
        self.domain = domain

    def connection_made(self, transport):
        print(json.dumps({"held": self.domain}), flush=True)


def records_of(domain, address, smtp, tlsa):
    """The records of a domain, and those of it in the zone that is not signed."""
    host = domain if domain == "bare.example" else f"mx.{domain}"
    keys = f"_{smtp}._tcp.{{}}. TLSA {tlsa}\n" if tlsa else ""
    mx = {"lure.example": f"0 {host}.", "null.example": "0 ."}.get(domain, f"10 {host}.")
    records, unsigned = f"{domain}. MX {mx}\n" if host != domain else "", ""
    real = f"real.{domain}"
    if domain in ("aliased.example", "twice.example", "beside.example", "renamed.example"):
        records += f"{host}. CNAME {real}.\n{real}. A {address}\n"
        records += keys.format(host if domain == "beside.example" else real)
        if domain == "twice.example":
            records += f"_{smtp}._tcp.{host}. TLSA 3 1 1 {'ab' * 32}\n"
    elif domain == "outward.example":
        records += f"{host}. CNAME outward.unsigned.example.\n" + keys.format(host)
        unsigned = f"outward.unsigned.example. A {address}\n"
    else:
        records += f"{host}. A {address}\n" + keys.format(host)
    if domain in ("hidden.example", "null.example"):
        records += f"{domain}. A {address}\n"
    return records, unsigned


class Taker:
    def __init__(self, domain):
        self.domain = domain

    async def handle_DATA(self, server, session, envelope):
        print(json.dumps({"to": envelope.rcpt_tos[0], "server": self.domain, "tls": session.ssl is not None}), flush=True)
        return "250 taken"


def policies(modes, context):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            domain = self.headers["Host"].split(":")[0].removeprefix("mta-sts.")
            mode = modes.get(domain)
            if mode is None or self.path not in ("/.well-known/mta-sts.txt", "/elsewhere"):
                return self.send_error(404)
            if "redirected" in mode and self.path != "/elsewhere":
                self.send_response(302)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            mx = f"mx.{domain}" if mode in ("enforce", "testing") else "other.example"
            body = f"version: STSv1\r\nmode: {mode.split()[0]}\r\nmx: {mx}\r\nmax_age: 86400\r\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def names(zones):
    """BIND, which is the root and signs it."""
    os.makedirs(path("zones"), exist_ok=True)
    zone = path("zones")

    def run(*arguments):
        subprocess.run(arguments, cwd=zone, check=True, stdout=subprocess.DEVNULL, stderr=sys.stderr)

    soa = "$TTL 60\n@ SOA ns.example. root.example. 1 3600 600 86400 60\n@ NS ns.example.\n"
    write("zones/root", soa + "ns.example. A 127.0.0.1\nunsigned.example. NS ns.example.\n" + zones["."])
    write("zones/unsigned", soa + zones["unsigned.example"])
    for more in ((), ("-f", "KSK")):
        run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-n", "ZONE", *more, ".")
    run("dnssec-signzone", "-q", "-S", "-o", ".", "root")
    keys = ""
    for file in glob.glob(os.path.join(zone, "K*.key")):
        with open(file) as text:
            keys += "".join(line for line in text if "DNSKEY 257" in line)
    write("anchors.txt", keys.replace(". IN DNSKEY", ". 3600 IN DNSKEY"))
    port = free_port()
    write("named.conf", f"""
        options {{ directory "{zone}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no;
                   pid-file none; session-keyfile none; dnssec-validation no; }};
        controls {{ }};
        zone "." {{ type primary; file "root.signed"; }};
        zone "unsigned.example" {{ type primary; file "unsigned"; }};
    """)
    # Under another name: Debian's AppArmor confines the program by its path to folders that are not ours.
    program = shutil.copy(shutil.which("named", path=os.environ["PATH"] + ":/usr/sbin"), path("names"))
    # It ends with this program, however that ends.
    named = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", program, "-f", "-c", path("named.conf")], stdout=subprocess.DEVNULL, stderr=sys.stderr)
    return port, named


class Liar:
    """Passes questions on to the name server, and its answers back; some altered."""

    def __init__(self, upstream):
        self.upstream, self.policies = upstream, True
        liar = self

        class Stream(socketserver.StreamRequestHandler):
            def handle(self):
                while length := self.rfile.read(2):
                    answer = liar.answer(self.rfile.read(int.from_bytes(length, "big")), True)
                    self.wfile.write(len(answer).to_bytes(2, "big") + answer)

        # One port for both kinds, which another program may have for one of them.
        for _ in range(50):
            self.tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Stream)
            self.tcp.daemon_threads, self.port = True, self.tcp.server_address[1]
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.udp.bind(("127.0.0.1", self.port))
                break
            except OSError:
                self.tcp.server_close()
        threading.Thread(target=self.tcp.serve_forever, daemon=True).start()
        threading.Thread(target=self.datagrams, daemon=True).start()

    def datagrams(self):
        while True:
            question, sender = self.udp.recvfrom(65535)
            threading.Thread(target=lambda q=question, s=sender: self.udp.sendto(self.answer(q, False), s), daemon=True).start()

    def ask(self, question, stream=True):
        how = dns.query.tcp if stream else dns.query.udp
        return how(question, "127.0.0.1", port=self.upstream, timeout=10)

    def answer(self, wire, stream):
        question = dns.message.from_wire(wire)
        answer = self.ask(question, stream)
        self.alter(question.question[0].name.to_text().lower(), dns.rdatatype.to_text(question.question[0].rdtype), answer)
        return answer.to_wire()

    def alter(self, name, kind, answer):
        unsigned = dns.rrset.from_text("unsigned.example.", 60, "IN", "NS", "ns.example.")
        about = name.rsplit(".", 3)[-3] if name.count(".") > 1 else name
        if (name, kind) == ("injected.example.", "MX"):
            more = dns.message.make_query("lure.example.", "MX", want_dnssec=True)
            answer.answer = self.ask(more).answer + answer.answer
        elif (about, kind) == ("smuggled", "TLSA"):
            answer.answer.append(unsigned)
        elif (about, kind) in (("denied", "TLSA"), ("hidden", "MX")):
            answer.answer, answer.authority = [], [unsigned]
        elif (about, kind) == ("shorn", "TLSA"):
            answer.answer = [one for one in answer.answer if one.rdtype != dns.rdatatype.RRSIG]
        elif (about, kind) == ("bogus", "TLSA"):
            keys = dns.rrset.from_text(name, 60, "IN", "TLSA", f"3 1 1 {'cd' * 32}")
            answer.answer = [keys] + [one for one in answer.answer if one.rdtype == dns.rdatatype.RRSIG]
        elif name.startswith("_mta-sts.") and not self.policies:
            answer.answer, answer.authority = [], []
            answer.set_rcode(dns.rcode.SERVFAIL)


def obey(liar, modes, named):
    """What is asked on standard input; all ends with it."""
    for line in sys.stdin:
        if line.strip() == "policies off":
            liar.policies = False
            modes.clear()
    named.kill()
    os._exit(0)


def main():
    issuer = Issuer()
    write("roots.pem", issuer.certificate.public_bytes(serialization.Encoding.PEM))
    smtp, _held = own_port()
    zones = {".": "", "unsigned.example": ""}
    loop = asyncio.new_event_loop()
    for number, (domain, name, starttls, keys, mode) in enumerate(DOMAINS):
        address = str(ipaddress.ip_address("127.0.0.2") + number)
        context, certificate = issuer.context(f"{domain}.pem", [name])
        tlsa = {"right": f"3 1 1 {digest(certificate)}", "issuer": f"2 1 1 {digest(issuer.certificate)}",
                "wrong": f"3 1 1 {'ab' * 32}"}.get(keys)
        records, unsigned = records_of(domain, address, smtp, tlsa)
        if mode:
            records += f"_mta-sts.{domain}. TXT \"v=STSv1; id=1;\"\nmta-sts.{domain}. A 127.0.0.1\n"
        zones["unsigned.example" if domain == "unsigned.example" else "."] += records
        zones["unsigned.example"] += unsigned
        options = {"tls_context": only_for(context, name) if domain == "renamed.example" else context} if starttls else {}

        def session(domain=domain, options=options):
            return Silent(domain) if domain == "slow.example" else SMTP(Taker(domain), hostname=f"mx.{domain}", **options)

        loop.run_until_complete(loop.create_server(session, address, smtp))
    modes = {domain: mode for domain, _, _, _, mode in DOMAINS if mode}
    context, _ = issuer.context("policies.pem", [f"mta-sts.{domain}" for domain in modes])
    web = policies(modes, context)
    port, named = names(zones)
    liar = Liar(port)
    threading.Thread(target=obey, args=(liar, modes, named), daemon=True).start()
    print(json.dumps({"dns": liar.port, "smtp": smtp, "policies": web}), flush=True)
    loop.run_forever()


main()
