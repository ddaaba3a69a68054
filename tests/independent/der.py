"""DER (X.690), strict: one value, one encoding. Whatever could have been written in another way is refused."""


class DerError(Exception):
    """These bytes are not what was expected here, or not in DER."""


BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, UTC_TIME, GENERALIZED_TIME, SEQUENCE, SET = 0x0C, 0x17, 0x18, 0x30, 0x31


def need(condition, message):
    if not condition:
        raise DerError(message)


class Reader:
    """Reads one element after the other from a piece of DER."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def more(self):
        return self.at < len(self.data)

    def tag(self):
        """The tag of the next element, None at the end."""
        return self.data[self.at] if self.more() else None

    def element(self):
        """The next element: (tag, content, whole encoding)."""
        start = self.at
        need(len(self.data) - start >= 2, "truncated element")
        tag, length, at = self.data[start], self.data[start + 1], start + 2
        need(tag & 0x1F != 0x1F, "tag of several bytes")
        if length >= 0x80:
            count = length & 0x7F
            need(1 <= count <= 4, "indefinite or excessive length")
            need(len(self.data) - at >= count, "truncated length")
            length = int.from_bytes(self.data[at : at + count], "big")
            need(length >= 0x80 and length >> (8 * (count - 1)), "length not minimal")
            at += count
        need(len(self.data) - at >= length, "truncated content")
        self.at = at + length
        return tag, self.data[at : self.at], self.data[start : self.at]

    def expect(self, tag):
        """The content of the next element, which must have this tag."""
        need(self.tag() == tag, f"expected tag {tag:#04x}, found {self.tag()}")
        return self.element()[1]

    def optional(self, tag):
        """The content of the next element if it has this tag, else None."""
        return self.element()[1] if self.tag() == tag else None

    def inside(self, tag):
        """A reader over the next element, which must have this tag."""
        return Reader(self.expect(tag))

    def end(self):
        need(not self.more(), "trailing bytes")

    # Values

    def integer(self, low=None, high=None):
        value = integer(self.expect(INTEGER))
        need(low is None or value >= low, f"{value} is below {low}")
        need(high is None or value <= high, f"{value} is above {high}")
        return value

    def octets(self, size=None):
        value = self.expect(OCTET_STRING)
        need(size is None or len(value) == size, f"expected {size} octets, found {len(value)}")
        return value

    def oid(self):
        return oid(self.expect(OID))

    def utf8(self, limit=None):
        value = self.expect(UTF8_STRING)
        need(limit is None or len(value) <= limit, f"more than {limit} octets")
        return text(value)

    def bits(self):
        """A BIT STRING: (unused bits, bytes). The unused ones must be zero."""
        value = self.expect(BIT_STRING)
        need(value and value[0] <= 7, "bit string without a count of unused bits")
        need(value[0] == 0 or len(value) > 1, "unused bits in an empty bit string")
        need(len(value) == 1 or value[-1] & ((1 << value[0]) - 1) == 0, "unused bits are set")
        return value[0], value[1:]


def whole(data, tag):
    """A reader over the one element that `data` is."""
    reader = Reader(data)
    inner = reader.inside(tag)
    reader.end()
    return inner


def integer(content):
    need(content, "empty integer")
    need(len(content) == 1 or not (content[0] == 0 and content[1] < 0x80), "integer not minimal")
    need(len(content) == 1 or not (content[0] == 0xFF and content[1] >= 0x80), "integer not minimal")
    return int.from_bytes(content, "big", signed=True)


def boolean(content):
    need(content in (b"\x00", b"\xff"), "boolean that is neither 00 nor FF")
    return content == b"\xff"


def text(content):
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DerError(str(error)) from error


def oid(content):
    """Dotted form of an object identifier."""
    need(content and content[-1] < 0x80, "object identifier ends early")
    arcs, value, fresh = [], 0, True
    for byte in content:
        need(not (fresh and byte == 0x80), "arc not minimal")
        value, fresh = value << 7 | byte & 0x7F, byte < 0x80
        if fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in [first, arcs[0] - 40 * first, *arcs[1:]])


def check(data, depth=0):
    """Refuses anything in `data`, a row of elements, that is not DER at any depth of constructed encoding."""
    need(depth < 32, "nested too deeply")
    reader = Reader(data)
    while reader.more():
        tag, content, _ = reader.element()
        if tag == SET:
            members = Reader(content)
            encodings = []
            while members.more():
                encodings.append(members.element()[2])
            need(encodings == sorted(encodings), "set that is not sorted")
        if tag & 0x20:
            check(content, depth + 1)
        elif tag == BOOLEAN:
            boolean(content)
        elif tag == INTEGER:
            integer(content)
        elif tag == OID:
            oid(content)
        elif tag == NULL:
            need(not content, "null with content")


def encode(tag, *contents):
    """An element in DER around these contents."""
    content = b"".join(contents)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = (len(content).bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + len(content).to_bytes(size, "big") + content
