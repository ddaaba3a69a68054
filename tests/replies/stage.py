"""Mail and names around a home server, by other people's programs: aiosmtpd is the mail server, which also hands what comes
for the authority over to it by LMTP; dnslib is the name server; dkimpy verifies what the authority sends and signs what
people reply.

One JSON object a line. On standard output: first the ports, then every mail that the authority sends, and what became of
every reply. On standard input: {"record": …} publishes the authority's key, {"lmtp": PORT} says where it listens,
{"reply": {…}, "how": ATTACK} has somebody reply.

Usage: stage.py ADDRESS [FOLDER PAGE]. Mail comes and goes at this address of the machine. With a folder, Debian's postfix
stands between the authority and the rest, with the lines of the operator's guide, PAGE: it relays what the authority sends,
and hands over what comes for it. Then {"waiting": true} asks how many mails wait in its queue, and {"flush": true} has it
try them again.
"""

import asyncio
import email
import json
import smtplib
import sys
import threading

import dkim
from aiosmtpd.smtp import SMTP
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dnslib import CAA, QTYPE, RCODE, RR, TXT
from dnslib.server import BaseResolver, DNSServer

from postfix import Postfix

ALICE = "alice@example.org"
# RFC 8823 section 3.2, item 9.
SIGNED = [b"From", b"Sender", b"Reply-To", b"To", b"CC", b"Subject", b"Date", b"In-Reply-To", b"References",
          b"Message-ID", b"Content-Type", b"Content-Transfer-Encoding"]
# RFC 8823 section 3.1, item 6.
REQUIRED = {name.decode().lower() for name in SIGNED} | {"auto-submitted"}


def say(**what):
    print(json.dumps(what), flush=True)


class Key:
    """A domain's RSA key."""

    def __init__(self):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                     serialization.NoEncryption())
        public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        import base64
        self.record = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()


class Zone(BaseResolver):
    def __init__(self):
        self.txt, self.caa, self.asked = {}, {}, []

    def resolve(self, request, handler):
        reply = request.reply()
        name = str(request.q.qname).rstrip(".").lower()
        self.asked.append(name)
        if name == "broken.example":
            reply.header.rcode = RCODE.SERVFAIL
        elif request.q.qtype == QTYPE.TXT and name in self.txt:
            text = self.txt[name]
            parts = [text[at:at + 250] for at in range(0, len(text), 250)]
            reply.add_answer(RR(request.q.qname, QTYPE.TXT, ttl=60, rdata=TXT(parts)))
        elif request.q.qtype == QTYPE.CAA and name in self.caa:
            for flags, tag, value in self.caa[name]:
                reply.add_answer(RR(request.q.qname, QTYPE.CAA, ttl=60, rdata=CAA(flags, tag, value)))
        elif not any(known.endswith(name) for known in [*self.txt, *self.caa]):
            reply.header.rcode = RCODE.NXDOMAIN
        return reply


class Server:
    """Takes every mail. What is for the authority goes on to it by LMTP, as postfix would do it."""

    def __init__(self, zone, address):
        self.zone, self.address, self.lmtp, self.authority = zone, address, None, "acme@ca.example"

    async def handle_DATA(self, server, session, envelope):
        content = envelope.original_content
        if envelope.rcpt_tos == [self.authority]:
            return await asyncio.get_running_loop().run_in_executor(None, self.hand_over, envelope.mail_from, content)
        mail = email.message_from_bytes(content)
        signed = {name.strip().lower() for name in self.tag(mail, "h").split(":")}
        say(mail={
            "to": envelope.rcpt_tos, "from": mail["From"], "subject": mail["Subject"], "id": mail["Message-ID"],
            "automatic": mail["Auto-Submitted"], "date": mail["Date"],
            "verified": dkim.verify(content, dnsfunc=self.dns), "domain": self.tag(mail, "d"),
            "not_signed": sorted(REQUIRED - signed),
            # Whoever adds a field breaks the signature.
            "added_to": dkim.verify(b"Reply-To: mallory@evil.example\r\n" + content, dnsfunc=self.dns),
        })
        return "250 taken"

    @staticmethod
    def tag(mail, name):
        value = "".join((mail["DKIM-Signature"] or "").split())
        tags = dict(part.split("=", 1) for part in value.split(";") if "=" in part)
        return tags.get(name, "")

    def dns(self, name, timeout=5):
        return self.zone.txt.get(name.decode().rstrip(".").lower(), "").encode() or None

    def hand_over(self, sender, content):
        try:
            with smtplib.LMTP(self.address, self.lmtp, timeout=30) as lmtp:
                lmtp.sendmail(sender, [self.authority], content)
            return "250 handed over"
        except (smtplib.SMTPException, OSError) as error:
            return f"451 {error!r}"


def reply(asked, how, keys):
    """The bytes of a reply, by Alice unless it says by whom; `how` is the attack it is."""
    sender = asked.get("by", ALICE)
    sender = {"other sender": "mallory@example.org", "other domain": "alice@evil.example"}.get(how, sender)
    text = asked["text"].replace("\n", "\r\n")
    if how == "wrong digest":
        text = text.replace(text.split("\r\n")[1], "A" * 43)
    subject = asked["subject"]
    if how == "wrong token":
        subject = subject[:-8] + "AAAAAAAA"
    lines = [f"From: Alice <{sender}>", f"To: {asked['to']}", f"Subject: {subject}", "Date: Thu, 26 Nov 2026 02:00:00 +0000",
             f"Message-ID: <{how.replace(' ', '-')}@example.org>", f"In-Reply-To: {asked['id']}",
             "Content-Type: text/plain; charset=us-ascii", "Content-Transfer-Encoding: 7bit"]
    mail = ("\r\n".join(lines) + f"\r\n\r\nHere you are.\r\n\r\n{text}\r\n\r\n-- \r\nAlice\r\n").encode()
    if how == "unsigned":
        return mail
    domain = {"misaligned": b"evil.example", "other domain": b"evil.example"}.get(how, b"example.org")
    key = keys["evil"] if how in ("wrong key", "misaligned", "other domain") else keys["example"]
    headers = [name for name in SIGNED if not (how == "subject outside" and name == b"Subject")]
    canonical = (b"relaxed", b"relaxed") if how == "relaxed" else (b"simple", b"simple")
    signature = dkim.sign(mail, b"s1", domain, key.pem, canonicalize=canonical, include_headers=headers,
                          length=(how == "length"))
    if how == "two senders":
        return b"From: " + ALICE.encode() + b"\r\n" + signature + mail
    if how == "altered":
        return signature + mail.replace(b"Alice\r\n", b"Mallory\r\n")
    if how == "length":
        return signature + mail + b"and more\r\n"
    return signature + mail


def listen(zone, server, keys, port, postfix):
    """Does what is asked on standard input; mails go to `port`."""
    last = None
    for line in sys.stdin:
        asked = json.loads(line)
        if "record" in asked:
            zone.txt["2026._domainkey.ca.example"] = asked["record"]
            say(done="record")
        elif "lmtp" in asked:
            server.lmtp = asked["lmtp"]
            if postfix:
                with open(sys.argv[3]) as page:
                    postfix.start(page.read(), server.lmtp)
            say(done="lmtp")
        elif "waiting" in asked:
            say(waiting=postfix.waiting())
        elif "flush" in asked:
            postfix.flush()
            say(done="flush")
        else:
            how = asked["how"]
            mail = last if how == "replayed" else reply(asked["reply"], how, keys)
            last = mail
            with smtplib.SMTP(server.address, port, timeout=30) as smtp:
                try:
                    smtp.sendmail(ALICE, [server.authority], mail)
                    say(replied=how, answer="taken")
                except smtplib.SMTPException as error:
                    say(replied=how, answer=repr(error))


def main():
    zone, keys = Zone(), {"example": Key(), "evil": Key()}
    zone.txt["s1._domainkey.example.org"] = keys["example"].record
    zone.txt["s1._domainkey.evil.example"] = keys["evil"].record
    zone.caa["closed.example"] = [(0, "issuemail", ";")]
    zone.caa["open.example"] = [(0, "issuemail", "localhost"), (0, "issue", ";")]
    names = DNSServer(zone, port=0, address="127.0.0.1", logger=type("Quiet", (), {"__getattr__": lambda s, n: lambda *a: None})())
    names.start_thread()
    server = Server(zone, sys.argv[1])
    loop = asyncio.new_event_loop()
    listener = loop.run_until_complete(loop.create_server(
        lambda: SMTP(server, hostname="localhost", enable_SMTPUTF8=True), server.address, 0))
    port = listener.sockets[0].getsockname()[1]
    postfix = Postfix(sys.argv[2], port, server.authority) if len(sys.argv) > 2 else None
    port = postfix.port if postfix else port
    say(dns=names.server.server_address[1], smtp=port)
    threading.Thread(target=listen, args=(zone, server, keys, port, postfix), daemon=True).start()
    loop.run_forever()


main()
