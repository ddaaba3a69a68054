"""Debian's postfix between the world and a home server, in a folder of its own, with the operator's guide's own lines."""

import os
import shutil
import socket
import subprocess
import sys

# What of postfix is there: what takes and hands over mail, and what that needs.
SERVICES = """
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
showq unix n - n - - showq
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
"""


def own_port():
    """A port for a program that listens with SO_REUSEADDR; and the socket that keeps it from others as long as it is there,
    for it is bound and does not listen."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held.getsockname()[1], held


class Postfix:
    def __init__(self, folder, onward, authority):
        """`onward` is the port to which mail goes that is not for `authority`, an address."""
        self.config = os.path.join(folder, "postfix")
        self.port, self.held = own_port()
        self.program = shutil.which("postfix", path=os.environ["PATH"] + ":/usr/sbin")
        # Its programs run under an account of their own, which has to get there.
        os.chmod(folder, 0o711)
        for name in ("", "queue", "data"):
            os.makedirs(os.path.join(self.config, name), mode=0o755)
        shutil.chown(os.path.join(self.config, "data"), "postfix")
        domain = authority.split("@")[1]
        self.settings = f"""
            compatibility_level = 3.6
            queue_directory = {self.config}/queue
            data_directory = {self.config}/data
            maillog_file = {self.config}/log
            maillog_file_prefixes = {self.config}
            myhostname = mx.{domain}
            inet_interfaces = 127.0.0.1
            inet_protocols = ipv4
            mydestination =
            mynetworks = 127.0.0.0/8
            alias_maps =
            relayhost = [127.0.0.1]:{onward}
            virtual_mailbox_domains = {domain}
            virtual_mailbox_maps = inline:{{ {{ {authority} = yes }} }}
        """

    def start(self, page, lmtp):
        """`page` is the operator's guide, whose lines hand mail over to the authority at the port `lmtp`."""
        lines = page.split("/etc/postfix/transport\n", 1)[1].split("```", 1)[0]
        transport, settings = lines.split("# /etc/postfix/main.cf\n")
        assert "acme@example.org    lmtp:inet:[127.0.0.1]:2424\n" == transport, transport
        here = f"{self.config}/transport"
        self.write("transport", transport.replace("example.org", "ca.example").replace("2424", str(lmtp)))
        self.write("main.cf", "\n".join(line.strip() for line in self.settings.splitlines()) + "\n"
                   + settings.replace("/etc/postfix/transport", here))
        self.write("master.cf", f"127.0.0.1:{self.port} inet n - n - - smtpd\n" + SERVICES)
        # It makes the folders of its queue.
        subprocess.run([self.program, "-c", self.config, "check"], check=True, stdout=sys.stderr, stderr=sys.stderr)
        # It ends with this program, however that ends. The kernel forgets to end who changes accounts, as postfix does, so
        # a shell ends it.
        master = ["/usr/lib/postfix/sbin/master", "-c", self.config, "-d"]
        ending = ["setpriv", "--pdeathsig", "TERM", "sh", "-c", '"$@" & trap "kill -KILL $!" TERM; wait', "sh"]
        subprocess.Popen([*ending, *master], stdout=sys.stderr, stderr=sys.stderr)

    def write(self, name, text):
        with open(os.path.join(self.config, name), "w") as file:
            file.write(text)

    def waiting(self):
        """How many mails wait in its queue."""
        listed = subprocess.run(["postqueue", "-c", self.config, "-j"], check=True, capture_output=True, text=True)
        return len(listed.stdout.splitlines())

    def flush(self):
        """What waits is tried again."""
        subprocess.run(["postqueue", "-c", self.config, "-f"], check=True)
