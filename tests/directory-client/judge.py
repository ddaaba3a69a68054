"""Holds frames against docs/spec/directory.cddl or peer.cddl, by somebody else's implementation of CDDL (RFC 8610).

    judge.py directory.cddl < FRAMES
    judge.py peer.cddl < FRAMES

Each line of FRAMES is a rule (`request`, `response`; between devices `talk-frame`, `room-frame`, `file-frame`, and what stands in them, `endorsement`, `room-plaintext`), a space, and the frame's body in
hexadecimal; frames between devices with their padding. Prints how many of each number
were judged, as JSON; ends with 1 at the first frame that is not in the CDDL, and says why.
"""

import io
import json
import sys
from collections import Counter
from pathlib import Path

import cbor2
from cddl_verifier import Validator


# What is sealed in rooms has no padding of its own; who writes it here does it as with frames.
PADDED = {"talk-frame", "room-frame", "file-frame", "room-plaintext"}


def unpadded(body):
    """The item at the beginning, if it is in its shortest form and nothing but zeros follows."""
    with io.BytesIO(body) as stream:
        item = cbor2.dumps(cbor2.CBORDecoder(stream).decode())
    if not body.startswith(item) or any(body[len(item) :]):
        raise ValueError(f"expected an item and zeros, found {body.hex()}")
    return item


class Judge:
    def __init__(self, cddl):
        self.rules = Validator(Path(cddl).read_text())

    def judge(self, direction, body):
        """Raises ValueError if the body is no frame of this direction; returns the frame's number, if it has one."""
        body = unpadded(body) if direction in PADDED else body
        # Deterministic: the shortest form of every head (RFC 8949 section 4.2.1), as the page asks of senders.
        result = self.rules.validate(body, root_type=direction, require_deterministic=True)
        if not result.valid:
            raise ValueError(f"{direction} {body.hex()}: {result.diagnostics[0]}")
        number = cbor2.loads(body)[0]
        return number if isinstance(number, int) else ""


def main(cddl):
    judge, seen = Judge(cddl), Counter()
    for line in sys.stdin:
        direction, body = line.split()
        number = judge.judge(direction, bytes.fromhex(body))
        seen[f"{direction} {number}" if direction in PADDED else number] += 1
    print(json.dumps(seen))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ValueError as error:
        sys.exit(str(error))
