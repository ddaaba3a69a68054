"""Which labels IDNA2008 admits, by PyPI's `idna`: one label on each line of standard input, `yes` or `no` for each, or
`unassigned` where its version of Unicode does not know a character."""

import sys
import unicodedata

import idna


def verdict(label):
    if any(unicodedata.category(c) == "Cn" for c in label):
        return "unassigned"
    try:
        idna.check_label(label)
        idna.alabel(label)
    except (idna.IDNAError, UnicodeError):
        return "no"
    return "yes"


sys.stdin.reconfigure(encoding="utf-8")
for line in sys.stdin:
    print(verdict(line.removesuffix("\n")))
