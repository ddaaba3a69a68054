#!/usr/bin/env python3
"""A client of `inperson-directory/1`, written from docs/spec/directory.md and directory.cddl alone.

    client.py HOST:PORT NAME --chain CHAIN.pem --key KEY.pem --policy POLICY.json --cddl directory.cddl

One JSON object per line. In: `{"ask": "look-up", "body": ["bob@example.org"]}`, where the body is the frame without number and
request id, and `{"close": 0}`. Out: `{"got": "found", "of": "look-up", "body": [null], "ms": 100.2}` for every frame; answers say
to what and after how long. Byte strings are `{"hex": "00…"}` both ways. Every frame, either way, is held against the CDDL.
"""

import argparse
import asyncio
import json
import os
import ssl
import sys
import time
from pathlib import Path

import cbor2
from aioquic.asyncio import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, StreamDataReceived
from aioquic.tls import Group
from cryptography.hazmat.primitives.serialization import Encoding

from judge import Judge

sys.path.insert(0, str(Path(__file__).parent.parent / "independent"))
import verify  # noqa: E402  (the independent verifier of certificates)

ALPN = "inperson-directory/1"
LARGEST = 16384

REQUESTS = {
    "ping": 0, "list": 1, "announce": 2, "look-up": 3, "watch": 4, "unwatch": 5, "invite": 6, "answer": 7, "cancel": 8,
    "appear": 9,
}
ANSWERS = {64: "done", 65: "refused", 66: "announced", 67: "found"}
EVENTS = {96: "presence", 97: "incoming", 98: "outcome", 99: "go"}


def say(**what):
    print(json.dumps(what), flush=True)


def to_json(value):
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return [to_json(one) for one in value] if isinstance(value, (list, tuple)) else value


def from_json(value):
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    return [from_json(one) for one in value] if isinstance(value, list) else value


class Client(QuicConnectionProtocol):
    """The one stream of the one connection."""

    judge = None  # set before connecting

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.stream = None
        self.buffer = b""
        self.asked = {}
        self.next_id = 1

    def ask(self, name, body):
        if self.stream is None:
            self.stream = self._quic.get_next_available_stream_id()
        request, self.next_id = self.next_id, self.next_id + 1
        self.asked[request] = name, time.monotonic()
        frame = cbor2.dumps([REQUESTS[name], request, *from_json(body)])
        self.judge.judge("request", frame)
        self.send(frame)

    def send(self, frame):
        self._quic.send_stream_data(self.stream, len(frame).to_bytes(4, "big") + frame)
        self.transmit()

    def quic_event_received(self, event):
        try:
            self.take(event)
        except Exception as error:  # noqa: BLE001
            # asyncio would only log it and go on: whoever reads this must not believe that all was well.
            say(got="wrong", why=repr(error))
            os._exit(1)

    def take(self, event):
        if isinstance(event, StreamDataReceived):
            self.buffer += event.data
            while len(self.buffer) >= 4:
                length = int.from_bytes(self.buffer[:4], "big")
                if length > LARGEST:
                    raise ValueError(f"a frame of {length} bytes")
                if len(self.buffer) < 4 + length:
                    break
                body, self.buffer = self.buffer[4:4 + length], self.buffer[4 + length:]
                self.frame(body)
        elif isinstance(event, ConnectionTerminated):
            say(got="closed", code=event.error_code, frame_type=event.frame_type)

    def frame(self, body):
        self.judge.judge("response", body)
        number, *rest = cbor2.loads(body)
        if number in ANSWERS:
            name, asked = self.asked.pop(rest[0])
            elapsed = (time.monotonic() - asked) * 1000
            say(got=ANSWERS[number], of=name, body=to_json(rest[1:]), ms=round(elapsed, 3))
        elif number in EVENTS:
            say(got=EVENTS[number], body=to_json(rest))
        elif not 64 <= number < 128:
            raise ValueError(f"a frame with the number {number}")


class OnlyX25519(QuicConnection):
    """The page allows X25519 beside the post-quantum default, which this QUIC does not know."""

    def _initialize(self, peer_cid):
        super()._initialize(peer_cid)
        self.tls._supported_groups = [Group.X25519]


def check_directory(tls, name, policy):
    """The directory's certificate, by all rules for services."""
    chain = [tls._peer_certificate, *tls._peer_certificate_chain]
    vector = {
        "policy": policy, "now": int(time.time()), "kind": "service", "service": name, "crls": [],
        "chain": [verify.base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in chain],
    }
    say(got="directory", name=verify.verify(vector)["identifier"])


async def commands(client):
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        if "close" in command:
            break
        if "raw" in command:
            # What no honest client sends.
            client.send(bytes.fromhex(command["raw"]))
        else:
            client.ask(command["ask"], command["body"])
    client.close(0)
    await client.wait_closed()


async def main(options):
    Client.judge = Judge(options.cddl)
    host, port = options.directory.rsplit(":", 1)
    # The name is looked for in the certificate after the handshake, with everything else; what TLS itself would look
    # for is a root in the list of a browser.
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=[ALPN], server_name=options.name, verify_mode=ssl.CERT_NONE, idle_timeout=30
    )
    configuration.load_cert_chain(options.chain, options.key)
    connection = OnlyX25519(configuration=configuration)
    loop = asyncio.get_running_loop()
    address = (await loop.getaddrinfo(host, int(port), type=2))[0]
    transport, client = await loop.create_datagram_endpoint(
        lambda: Client(connection), family=address[0], local_addr=("::1" if address[0] == 10 else "127.0.0.1", 0)
    )
    client.connect(address[4])
    await client.wait_connected()
    check_directory(connection.tls, options.name, Path(options.policy).read_text())
    client.ask("ping", [])
    try:
        await commands(client)
    finally:
        transport.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("name")
    for option in ("chain", "key", "policy", "cddl"):
        parser.add_argument(f"--{option}", required=True)
    asyncio.run(main(parser.parse_args()))
