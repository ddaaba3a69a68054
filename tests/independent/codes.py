#!/usr/bin/env python3
"""Other people's QR codes: segno writes them, ZXing reads them.

    codes.py write LINK FILE.png      a code with the link, as others would make it
    codes.py photograph LINK FILE.jpg the same, turned by some degrees, grey and compressed
    codes.py read                     the link in a code of half blocks on standard input, as a terminal shows it
"""

import sys

import segno
import zxingcpp
from PIL import Image


def write(link, file):
    segno.make_qr(link, error="m").save(file, scale=5, border=4)


def photograph(link, file):
    segno.make_qr(link, error="m").save(file + ".png", scale=7, border=6, dark="#333", light="#ddd")
    picture = Image.open(file + ".png").convert("L")
    picture.rotate(4, expand=True, fillcolor=200, resample=Image.Resampling.BICUBIC).save(file, quality=60)


def read(lines):
    shines = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    rows = [row for line in lines for row in zip(*(shines[sign] for sign in line))]
    picture = Image.new("L", (len(rows[0]), len(rows)))
    picture.putdata([255 * pixel for row in rows for pixel in row])
    picture = picture.resize((picture.width * 4, picture.height * 4), Image.Resampling.NEAREST)
    found = zxingcpp.read_barcodes(picture)
    print(found[0].text if found else "nothing")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "write":
        write(*arguments)
    elif command == "photograph":
        photograph(*arguments)
    else:
        read([line.rstrip("\n") for line in sys.stdin])
