"""Fills the fuzz corpora with what the shared vectors hold: certificates, chains' parts, revocation lists, policies,
names; and with one message of each kind to witnesses and mirrors.

Usage: python3 tests/fuzz/seeds.py
"""

import base64
import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE / "corpus"


def plant(target: str, seed: bytes) -> None:
    """A seed's file is named by its hash, so that planting twice changes nothing."""
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(seed).hexdigest()[:40]).write_bytes(seed)


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
    header = b"\0\x0blog.example" + (5).to_bytes(8, "big") + (7).to_bytes(8) + b"\0\0"
    plant("log_messages", header + b"\0\x03one\0\x03two\x01" + bytes(32))
    for numbers in [(0, 1, 1), (8, 13, 14), (256, 300, 600), (0, 7, 9)]:
        plant("log_proofs", b"".join(number.to_bytes(8, "big") for number in numbers) + bytes(range(128)))


def main() -> None:
    plant_log_messages()
    for path in sorted((HERE.parent / "vectors" / "certificate").glob("*.json")):
        vector = json.loads(path.read_text())
        for der in vector.get("chain", []) + vector.get("crls", []):
            plant("identity_formats", base64.b64decode(der))
        policy = vector.get("policy", "")
        plant("identity_formats", policy.encode())
        try:
            plant("log_formats", json.loads(policy).get("tlog_policy", "").encode())
        except ValueError:
            pass  # A policy that is no JSON is a seed only as it stands.
        plant("identity_formats", vector.get("identifier", "alice@example.org").encode())


main()
