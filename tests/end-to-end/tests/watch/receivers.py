"""A mail server on a port of its own and a desktop that shows notifications, both by other people's implementations of the
protocols. What they get lies in the folder given, a file of JSON for each; the mail server's port is printed at the start.

Usage: receivers.py FOLDER     (the session's bus is that of DBUS_SESSION_BUS_ADDRESS)
"""

import asyncio
import itertools
import json
import pathlib
import sys
import threading

from aiosmtpd.smtp import SMTP
from jeepney import HeaderFields, MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

FOLDER = pathlib.Path(sys.argv[1])
COUNT = itertools.count()


def keep(kind, what):
    path = FOLDER / f"{kind}-{next(COUNT)}.json"
    path.with_suffix(".new").write_text(json.dumps(what))
    path.with_suffix(".new").rename(path)


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        text = envelope.content.decode("utf-8")
        keep("mail", {"from": envelope.mail_from, "to": envelope.rcpt_tos, "text": text})
        return "250 taken"


def answer(member, body):
    """What the Desktop Notifications Specification 1.2 answers (section 9)."""
    if member == "GetServerInformation":
        return "ssss", ("test", "test", "1", "1.2")
    if member == "GetCapabilities":
        return "as", (["body", "body-markup"],)
    if member == "Notify":
        names = ("application", "replaces", "icon", "summary", "body", "actions", "hints", "expires")
        shown = dict(zip(names, body))
        # A variant comes with its type.
        shown["hints"] = {name: value for name, (_, value) in shown["hints"].items()}
        keep("shown", shown)
        return "u", (1,)
    return None


loop = asyncio.new_event_loop()
server = loop.run_until_complete(loop.create_server(lambda: SMTP(Mailbox(), loop=loop), "127.0.0.1", 0))
threading.Thread(target=loop.run_forever, daemon=True).start()
bus = open_dbus_connection(bus="SESSION")
bus.send_and_get_reply(message_bus.RequestName("org.freedesktop.Notifications"))
print(server.sockets[0].getsockname()[1], flush=True)
while True:
    message = bus.receive()
    if message.header.message_type is not MessageType.method_call:
        continue
    found = answer(message.header.fields.get(HeaderFields.member), message.body)
    if found is None:
        bus.send(new_error(message, "org.freedesktop.DBus.Error.UnknownMethod"))
    else:
        bus.send(new_method_return(message, *found))
