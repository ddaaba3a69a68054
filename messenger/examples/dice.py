#!/usr/bin/env python3
"""A bot that throws dice: `messenger bot --exec ./dice.py`, and somebody writes 2d6.

It is run once for each text, reads it from standard input, and prints the answer."""

import random
import re
import sys


def answer(text: str) -> str:
    asked = re.fullmatch(r"\s*(\d{1,2})\s*[dw]\s*(\d{1,3})\s*", text, re.IGNORECASE)
    if not asked:
        return "Write 2d6, and I throw two dice with six sides."
    dice, sides = map(int, asked.groups())
    if dice == 0 or sides == 0:
        return "There is nothing to throw."
    thrown = [random.randint(1, sides) for _ in range(dice)]
    return f"{' + '.join(map(str, thrown))} = {sum(thrown)}"


print(answer(sys.stdin.read()))
