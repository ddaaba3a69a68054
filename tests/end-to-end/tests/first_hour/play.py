"""Plays one command of docs/first-hour.md for trycmd, at a real home server.

play.py STAGE PROGRAM ARGUMENT… runs the program with the server's real addresses in place of the page's, types the code of
the mail where one is asked for, and prints what was said with the page's words in place of what differs from run to run.
STAGE is a JSON file: {"policy", "fingerprint", "outbox", "programs", "home"}.
"""

import email
import email.policy
import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

PATIENCE = 120

# What the page has for everybody.
HOST = "chat.example.org"
FINGERPRINT = "5f1c09aa1b2c3d4e5f60718293a4b5c6d7e8f9010a1b2c3d4e5f60718293a4b5"

CODE = re.compile(r"\b(?:[A-Z2-7]{4}-){5}[A-Z2-7]{4}\b")
# What differs from run to run, in this order.
VARIES = [
    (CODE, "ABCD-EFGH-IJKL-MNOP-QRST-UVWX"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "YYYY-MM-DD hh:mm:ss UTC"),
    (re.compile(r"\bin \d+ days\b"), "in N days"),
    (re.compile(r"\b(?:now|\d+ (?:second|minute)s? ago)$", re.M), "N seconds ago"),
    (re.compile(r"\bentry \d+\b"), "entry N"),
    (re.compile(r"\b\d+ (entries|objects)\b"), r"N \1"),
    (re.compile(r"\bin \d+ m?s \(\d+/s\)"), "in N ms (N/s)"),
    (re.compile(r"\b[A-Za-z0-9+/]{43}="), "ROOT"),
    (re.compile(r"/log/\d{4}\b"), "/log/YYYY"),
    (re.compile(r"\b[0-9a-f]{4}(?: [0-9a-f]{4}){3}\b(?! )"), "xxxx xxxx xxxx xxxx"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "COMMIT"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "SERIAL"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "xxxxxxxxxxxxxxxx"),
]


def groups(digits):
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def pairs(stage):
    """What is real, and what the page has in its place; the longest first."""
    server = urlsplit(stage["policy"]).netloc
    real, told = groups(stage["fingerprint"]), groups(FINGERPRINT)
    yield stage["fingerprint"], FINGERPRINT
    yield real, told
    yield real[:19] + " …", told[:19] + " …"
    yield stage["home"], "/home/alice"
    yield server, f"{HOST}:8443"
    yield server.split(":")[0], HOST


def as_told(text, stage):
    kept = []
    for real, told in pairs(stage):
        # The page's own words are no words that differ.
        kept.append(told)
        text = text.replace(real, f"\0{len(kept) - 1}\0")
    for pattern, told in VARIES:
        text = pattern.sub(told, text)
    return re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], text)


def as_real(argument, stage):
    real = {told: real for real, told in pairs(stage)}
    return argument.replace(f"{HOST}:8443", real[f"{HOST}:8443"]).replace(FINGERPRINT, stage["fingerprint"])


def environment(stage):
    """Nothing of whoever runs this, and our programs before others of their name."""
    kept = {name: os.environ[name] for name in ("TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    path = f"{stage['programs']}:{os.environ.get('PATH', '/usr/bin:/bin')}"
    own = {"HOME": stage["home"], "PATH": path, "NO_COLOR": "1", "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    return kept | own | {"GIT_CONFIG_NOSYSTEM": "1"}


def mails(stage):
    return set(Path(stage["outbox"], "new").glob("*"))


def code(stage, before):
    """The code in the mail that comes."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for file in mails(stage) - before:
            message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            if found := CODE.search(message.get_body(("plain",)).get_content()):
                return found[0]
        time.sleep(0.05)
    sys.exit("no mail with a code came")


def at_a_terminal(command, stage):
    """What is said, and the exit code, of a command that asks for the code of a mail."""
    before = mails(stage)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(stage["home"])
        os.execvpe(command[0], command, environment(stage))
    said, typed = b"", False
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:
            # The other end is closed.
            break
        if not more:
            break
        said += more
        if not typed and b"Code (" in said:
            os.write(terminal, code(stage, before).encode() + b"\n")
            typed = True
    _, status = os.waitpid(process, 0)
    return said.replace(b"\r\n", b"\n"), os.waitstatus_to_exitcode(status)


def main():
    stage, program = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2]
    command = [program] + [as_real(argument, stage) for argument in sys.argv[3:]]
    if "enroll" in command:
        said, exit_code = at_a_terminal(command, stage)
    else:
        done = subprocess.run(
            command,
            cwd=stage["home"],
            env=environment(stage),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
        )
        said, exit_code = done.stdout, done.returncode
    sys.stdout.write(as_told(said.decode(), stage))
    sys.exit(exit_code)


main()
