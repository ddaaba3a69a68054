#!/usr/bin/env python3
"""An independent reader and writer of contact cards, from docs/spec/contact-card.md alone.

    card.py FILE…

reads vector files and prints a line of JSON for each vector: its name, and the card or `null` if it is refused.
"""

import json
import re
import sys
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

import names

MOST = {"genesis": 1, "policy": 1, "directory": 1, "at": 1, "key": 8}


class Refused(Exception):
    pass


def text(value):
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError as error:
        raise Refused from error


def digits(value):
    if not re.fullmatch("[0-9A-Fa-f]{64}", value):
        raise Refused
    return value.lower()


def parameters(query):
    found = {name: [] for name in MOST}
    for parameter in filter(None, query.split("&")):
        name, _, value = parameter.partition("=")
        if name in found:
            found[name].append(value)
    if any(len(found[name]) > most for name, most in MOST.items()):
        raise Refused
    return found


def directory(found):
    if not found["directory"]:
        raise Refused
    name = address = text(found["directory"][0])
    if found["at"]:
        address = text(found["at"][0])
    else:
        name = address.rpartition(":")[0]
    host, _, port = address.rpartition(":")
    if not names.is_domain(name, dots=0) or not host or not re.fullmatch("[0-9]+", port) or not 0 < int(port) < 65536:
        raise Refused
    return {"name": name, "address": address}


def policy(found):
    if not found["policy"]:
        return None
    address = text(found["policy"][0])
    if not re.fullmatch(r"https://[!-~]+", address) or not urlsplit(address).hostname:
        raise Refused
    return address


def read(link):
    link = link.strip()
    scheme, colon, rest = link.partition(":")
    if len(link.encode()) > 2048 or not colon or scheme.lower() != "inperson":
        raise Refused
    identifier, _, query = rest.partition("#")[0].partition("?")
    identifier = text(identifier)
    if not (names.is_email(identifier) or names.is_phone(identifier)):
        raise Refused
    found = parameters(query)
    if not found["genesis"]:
        raise Refused
    return {
        "identifier": identifier,
        "genesis": digits(found["genesis"][0]),
        "policy": policy(found),
        "directory": directory(found),
        "keys": [digits(key) for key in found["key"]],
    }


def write(card):
    def value(text):
        return quote(text, safe="-._~@:/[]")

    name, address = card["directory"]["name"], card["directory"]["address"]
    link = "inperson:" + quote(card["identifier"], safe="-._~@+") + "?genesis=" + card["genesis"]
    link += "&policy=" + value(card["policy"]) if card["policy"] else ""
    if address.rpartition(":")[0] == name:
        link += "&directory=" + value(address)
    else:
        link += "&directory=" + value(name) + "&at=" + value(address)
    return link + "".join("&key=" + key for key in card["keys"])


def judge(vector):
    try:
        card = read(vector["link"])
    except Refused:
        return {"name": vector["name"], "card": None}
    return {"name": vector["name"], "card": card, "written": write(card)}


if __name__ == "__main__":
    for file in sys.argv[1:]:
        for vector in json.loads(Path(file).read_text()):
            print(json.dumps(judge(vector)))
