"""ECDSA over P-256 with SHA-256 in plain integers, and the keys that provisioning writes.

Not constant in time: this is a test's client, not a cart.
"""
import base64
import hashlib
import hmac
import re

# SEC 2, section 2.4.2.
P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff
B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b
N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
     0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)
HALF = N // 2
BYTES = 32


def double(point):
    """Jacobian coordinates, a = -3; (1, 1, 0) is the point at infinity."""
    x, y, z = point
    delta, gamma = z * z % P, y * y % P
    beta = x * gamma % P
    alpha = 3 * (x - delta) * (x + delta) % P
    x3 = (alpha * alpha - 8 * beta) % P
    z3 = ((y + z) * (y + z) - gamma - delta) % P
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % P, z3


def add(one, two):
    if one[2] == 0 or two[2] == 0:
        return two if one[2] == 0 else one
    z1, z2 = one[2] * one[2] % P, two[2] * two[2] % P
    u1, u2 = one[0] * z2 % P, two[0] * z1 % P
    s1, s2 = one[1] * two[2] * z2 % P, two[1] * one[2] * z1 % P
    if u1 == u2:
        return double(one) if s1 == s2 else (1, 1, 0)
    h, r = u2 - u1, s2 - s1
    h2 = h * h % P
    h3, v = h2 * h % P, u1 * h2 % P
    x3 = (r * r - h3 - 2 * v) % P
    return x3, (r * (v - x3) - s1 * h3) % P, one[2] * two[2] * h % P


def multiply(pairs):
    """The sum of scalar * affine point over (scalar, point) pairs, affine, or None."""
    total = (1, 1, 0)
    points = [(scalar, (x, y, 1)) for scalar, (x, y) in pairs]
    for bit in reversed(range(256)):
        total = double(total)
        for scalar, point in points:
            if scalar >> bit & 1:
                total = add(total, point)
    if total[2] == 0:
        return None
    inverse = pow(total[2], -1, P)
    return total[0] * inverse ** 2 % P, total[1] * inverse ** 3 % P


def on_curve(point):
    x, y = point
    return 0 <= x < P and 0 <= y < P and (y * y - x ** 3 + 3 * x - B) % P == 0


def public_key(private):
    return multiply([(private, G)])


def nonce(private, digest):
    """RFC 6979, section 3.2, for a 256-bit order and SHA-256; yields candidates."""
    def mac(key, *parts):
        return hmac.new(key, b"".join(parts), hashlib.sha256).digest()

    seed = private.to_bytes(BYTES, "big") + (int.from_bytes(digest, "big") % N).to_bytes(BYTES, "big")
    key, value = bytes(BYTES), b"\x01" * BYTES
    for mark in (b"\x00", b"\x01"):
        key = mac(key, value, mark, seed)
        value = mac(key, value)
    while True:
        value = mac(key, value)
        yield int.from_bytes(value, "big")
        key = mac(key, value, b"\x00")
        value = mac(key, value)


def sign(private, body):
    """64 bytes r || s, s at most n/2."""
    digest = hashlib.sha256(body).digest()
    for k in nonce(private, digest):
        if not 0 < k < N:
            continue
        r = multiply([(k, G)])[0] % N
        s = pow(k, -1, N) * (int.from_bytes(digest, "big") + r * private) % N
        if r and s:
            return r.to_bytes(BYTES, "big") + min(s, N - s).to_bytes(BYTES, "big")


def verifies(public, body, signature):
    """Whether a 64-byte signature is the key's and has a low s."""
    r, s = int.from_bytes(signature[:BYTES], "big"), int.from_bytes(signature[BYTES:], "big")
    if len(signature) != 2 * BYTES or not 0 < r < N or not 0 < s <= HALF:
        return False
    inverse = pow(s, -1, N)
    digest = int.from_bytes(hashlib.sha256(body).digest(), "big")
    point = multiply([(digest * inverse % N, G), (r * inverse % N, public)])
    return point is not None and point[0] % N == r


def der_of_pem(text, label):
    found = re.search(f"-----BEGIN {label}-----(.*?)-----END {label}-----", text, re.DOTALL)
    if not found:
        raise ValueError(f"no PEM block `{label}`")
    return base64.b64decode(found.group(1))


def der_items(data):
    """[(tag, value)] of a run of DER elements."""
    items = []
    while data:
        tag, size, at = data[0], data[1], 2
        if size & 0x80:
            at += size & 0x7f
            size = int.from_bytes(data[2:at], "big")
        items.append((tag, data[at:at + size]))
        data = data[at + size:]
    return items


def read_public_key(path):
    """The point of a SubjectPublicKeyInfo (RFC 5480): SEQUENCE { algorithm, BIT STRING }."""
    [(_, info)] = der_items(der_of_pem(path.read_text(), "PUBLIC KEY"))
    bits = der_items(info)[1][1]
    if len(bits) != 2 + 2 * BYTES or bits[1] != 4:
        raise ValueError("not an uncompressed P-256 point")
    point = int.from_bytes(bits[2:2 + BYTES], "big"), int.from_bytes(bits[2 + BYTES:], "big")
    if not on_curve(point):
        raise ValueError("not a point of P-256")
    return point


def read_private_key(path):
    """The scalar of PKCS#8 (RFC 5958): SEQUENCE { version, algorithm, OCTET STRING { RFC 5915 } }."""
    [(_, info)] = der_items(der_of_pem(path.read_text(), "PRIVATE KEY"))
    [(_, key)] = der_items(der_items(info)[2][1])
    return int.from_bytes(der_items(key)[1][1], "big")
