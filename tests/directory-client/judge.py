"""Holds frames against docs/spec/directory.cddl, by somebody else's implementation of CDDL (RFC 8610).

    judge.py directory.cddl < FRAMES

Each line of FRAMES is `request` or `response`, a space, and the frame's body in hexadecimal. Prints how many of each number
were judged, as JSON; ends with 1 at the first frame that is not in the CDDL, and says why.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import cbor2
from cddl_verifier import Validator


class Judge:
    def __init__(self, cddl):
        self.rules = Validator(Path(cddl).read_text())

    def judge(self, direction, body):
        """Raises ValueError if the body is no frame of this direction."""
        # Deterministic: the shortest form of every head (RFC 8949 section 4.2.1), as the page asks of senders.
        result = self.rules.validate(body, root_type=direction, require_deterministic=True)
        if not result.valid:
            raise ValueError(f"{direction} {body.hex()}: {result.diagnostics[0]}")


def main(cddl):
    judge, seen = Judge(cddl), Counter()
    for line in sys.stdin:
        direction, body = line.split()
        body = bytes.fromhex(body)
        judge.judge(direction, body)
        seen[cbor2.loads(body)[0]] += 1
    print(json.dumps(seen))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ValueError as error:
        sys.exit(str(error))
