"""A name server by other people's hands (dnslib), for domains that say where their directories are.

On standard output, one line of JSON: {"dns": PORT} (127.0.0.1, UDP). On standard input, one JSON object a line, each
answered by {"done": true}: {"name": NAME, "srv": [[PRIORITY, WEIGHT, PORT, TARGET], …]} or {"name": NAME, "a": [ADDRESS, …]}
in place of what was there; {"asked": NAME} is answered by how often that name was asked for, {"asked": N}.
"""

import json
import sys
import threading

from dnslib import A, QTYPE, RCODE, RR, SRV
from dnslib.server import BaseResolver, DNSLogger, DNSServer


def say(**what):
    print(json.dumps(what), flush=True)


class Zone(BaseResolver):
    def __init__(self):
        self.lock = threading.Lock()
        self.records, self.asked = {}, {}

    def resolve(self, request, handler):
        reply = request.reply()
        name = str(request.q.qname).rstrip(".").lower()
        with self.lock:
            self.asked[name] = self.asked.get(name, 0) + 1
            kinds = self.records.get(name)
            if kinds is None:
                reply.header.rcode = RCODE.NXDOMAIN
            for kind, data in (kinds or {}).items():
                if request.q.qtype == kind:
                    for rdata in data:
                        reply.add_answer(RR(request.q.qname, kind, ttl=60, rdata=rdata))
        return reply

    def put(self, order):
        name, kinds = order["name"].lower(), {}
        if "srv" in order:
            kinds[QTYPE.SRV] = [SRV(priority, weight, port, target) for priority, weight, port, target in order["srv"]]
        if "a" in order:
            kinds[QTYPE.A] = [A(address) for address in order["a"]]
        with self.lock:
            self.records[name] = kinds


def main():
    zone, quiet = Zone(), DNSLogger("-request,-reply,-truncated,-error")
    udp = DNSServer(zone, address="127.0.0.1", port=0, logger=quiet)
    udp.start_thread()
    say(dns=udp.server.server_address[1])
    for line in sys.stdin:
        order = json.loads(line)
        if "asked" in order:
            with zone.lock:
                count = zone.asked.get(order["asked"], 0)
            say(asked=count)
        else:
            zone.put(order)
            say(done=True)


main()
