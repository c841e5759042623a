"""Ed25519 (RFC 8032), verified strictly: no key or commitment of small order, canonical encodings only."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from faults import Refused
from ristretto import D, IDENTITY, L, P, Point, _sqrt_ratio


def _decompress(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    square, x = _sqrt_ratio(y * y - 1, D * y * y + 1)
    if not square or (x == 0 and sign):
        return None
    return Point(P - x if sign else x, y, 1, (P - x if sign else x) * y % P)


def _small_order(point):
    eight = point.double().double().double()
    return eight.x % P == 0 and (eight.y - eight.z) % P == 0


_acceptable = {}


def is_acceptable(key):
    """Whether the bytes are a verifying key that strict verification can take."""
    if key not in _acceptable:
        point = _decompress(key) if len(key) == 32 else None
        _acceptable[key] = point is not None and not _small_order(point)
    return _acceptable[key]


def public_key(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed, data):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(data)


def verify(key, signature, data):
    if not is_acceptable(key):
        raise Refused("no verifying key")
    commitment = _decompress(signature[:32])
    if commitment is None or _small_order(commitment) or int.from_bytes(signature[32:], "little") >= L:
        raise Refused("no strict signature")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except InvalidSignature:
        raise Refused("the signature does not fit") from None


assert not _small_order(Point(IDENTITY.x + 1, 2, 1, 2)) and _small_order(IDENTITY)
