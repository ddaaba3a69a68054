"""Fills the fuzz corpora with what the shared vectors hold: certificates, chains' parts, revocation lists, policies, names.

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


def main() -> None:
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
