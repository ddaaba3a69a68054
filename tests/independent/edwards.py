"""ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381), with the arithmetic of edwards25519 (RFC 8032 section 5.1) written out.

Slow and not constant in time: it verifies public proofs, and holds no secret.
"""

from hashlib import sha512

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
SUITE = b"\x03"


class VrfError(Exception):
    """No point, no key, or no proof for this input."""


# Points are (X, Y, Z, T) with x = X/Z, y = Y/Z, x·y = T/Z.

IDENTITY = (0, 1, 1, 0)


def add(a, b):
    """RFC 8032 section 5.1.4."""
    m = (a[1] - a[0]) * (b[1] - b[0]) % P
    n = (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def negative(point):
    return (P - point[0], point[1], point[2], P - point[3])


def is_identity(point):
    return point[0] % P == 0 and (point[1] - point[2]) % P == 0


def encode(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(data):
    """RFC 8032 section 5.1.3; y at or above p and "minus zero" are refused."""
    value = int.from_bytes(data, "little")
    sign, y = value >> 255, value & (2**255 - 1)
    if len(data) != 32 or y >= P:
        raise VrfError("not a canonical point")
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if (v * x * x + u) % P == 0 and u:
        x = x * ROOT_OF_MINUS_ONE % P
    if (v * x * x - u) % P:
        raise VrfError("not on the curve")
    if x == 0 and sign:
        raise VrfError("not a canonical point")
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def public_key(data):
    """A point that can be a key: canonical, on the curve, not of small order (RFC 9381 section 5.4.5)."""
    point = decode(data)
    if is_identity(multiply(8, point)):
        raise VrfError("a key of small order")
    return point


def to_curve(key, alpha):
    """RFC 9381 section 5.4.1.1, try and increment."""
    for counter in range(256):
        digest = sha512(SUITE + b"\x01" + key + alpha + bytes([counter]) + b"\x00").digest()
        try:
            point = multiply(8, decode(digest[:32]))
        except VrfError:
            continue
        if not is_identity(point):
            return point
    raise VrfError("no point for this input")


def verify(key, alpha, proof):
    """RFC 9381 section 5.3: the 64 bytes of output that `proof` proves for `alpha` under `key`."""
    y = public_key(key)
    if len(proof) != 80:
        raise VrfError("a proof has 80 bytes")
    gamma = decode(proof[:32])
    c, s = int.from_bytes(proof[32:48], "little"), int.from_bytes(proof[48:], "little")
    if s >= ORDER:
        raise VrfError("s is not reduced")
    h = to_curve(key, alpha)
    u = add(multiply(s, BASE), negative(multiply(c, y)))
    v = add(multiply(s, h), negative(multiply(c, gamma)))
    points = b"".join(encode(point) for point in (h, gamma, u, v))
    if sha512(SUITE + b"\x02" + key + points + b"\x00").digest()[:16] != proof[32:48]:
        raise VrfError("the proof is for something else")
    return sha512(SUITE + b"\x03" + encode(multiply(8, gamma)) + b"\x00").digest()
