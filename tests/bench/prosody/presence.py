"""How soon alice sees that bob's status has changed, at an XMPP server on loopback: `presence.py PORT CHANGES PASSWORD CERTIFICATE`.

Prints the median in microseconds, from the change to its event. Both people are clients of slixmpp in this one process.
"""

import asyncio
import inspect
import statistics
import sys
import time

import slixmpp

PORT, CHANGES, PASSWORD, CERTIFICATE = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
PATIENCE_S = 60


async def come(name):
    """Connects over TLS and subscribes to whoever subscribes to it."""
    client = slixmpp.ClientXMPP(f"{name}@localhost/here", PASSWORD)
    client.auto_authorize = client.auto_subscribe = True
    begun = asyncio.get_running_loop().create_future()
    client.add_event_handler("session_start", lambda _: begun.done() or begun.set_result(None))
    client.ca_certs = CERTIFICATE
    # slixmpp before 1.9 takes the two as a pair.
    paired = "address" in inspect.signature(client.connect).parameters
    client.connect(*[("127.0.0.1", PORT)] if paired else ("127.0.0.1", PORT))
    await begun
    await client.get_roster()
    client.send_presence()
    return client


async def measure():
    alice, bob = await come("alice"), await come("bob")
    seen = {}

    def sees(presence):
        waiting = seen.get(presence["status"])
        if presence["from"].bare == bob.boundjid.bare and waiting and not waiting.done():
            waiting.set_result(time.perf_counter())

    alice.add_event_handler("presence", sees)

    async def change(number):
        words = f"change {number}"
        seen[words] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        bob.send_presence(pshow="away" if number % 2 else "chat", pstatus=words)
        try:
            return await seen[words] - began
        finally:
            del seen[words]

    alice.send_presence_subscription(bob.boundjid.bare)
    # Until both have agreed, what bob says does not come.
    for number in range(100):
        try:
            await asyncio.wait_for(change(-1 - number), 0.2)
            break
        except asyncio.TimeoutError:
            pass
    times = [await change(number) for number in range(CHANGES)]
    return statistics.median(times) * 1e6


async def bounded():
    print(await asyncio.wait_for(measure(), PATIENCE_S))


asyncio.run(bounded())
