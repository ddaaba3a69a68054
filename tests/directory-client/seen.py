#!/usr/bin/env python3
"""Asks a directory's ports where this program is seen from, by somebody else's STUN (aioice).

    seen.py HOST PORT...

Asks each port plainly, and to be answered from another port; one JSON object per answer: `{"asked": 4433, "other": false, "by": 4433, "seen": true}`.
`seen` says that the address in the answer is this program's. What is not answered within a second, three times, is `"by": null`.
"""

import asyncio
import json
import sys

from aioice import stun

CHANGE_PORT = 2


class Asker(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
        self.answers = asyncio.Queue()

    def datagram_received(self, datagram, address):
        self.answers.put_nowait((stun.parse_message(datagram), address))

    async def ask(self, host, port, other):
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        if other:
            request.attributes["CHANGE-REQUEST"] = CHANGE_PORT
        for _ in range(3):
            self.transport.sendto(bytes(request), (host, port))
            try:
                answer, by = await asyncio.wait_for(self.answers.get(), 1)
            except asyncio.TimeoutError:
                continue
            assert answer.transaction_id == request.transaction_id
            assert answer.message_class == stun.Class.RESPONSE and by[0] == host
            seen = tuple(answer.attributes["XOR-MAPPED-ADDRESS"]) == self.transport.get_extra_info("sockname")
            return by[1], seen
        return None, False


async def main(host, ports):
    for port in ports:
        for other in (False, True):
            _, asker = await asyncio.get_running_loop().create_datagram_endpoint(Asker, local_addr=(host, 0))
            by, seen = await asker.ask(host, port, other)
            print(json.dumps({"asked": port, "other": other, "by": by, "seen": seen}), flush=True)


asyncio.run(main(sys.argv[1], [int(port) for port in sys.argv[2:]]))
