"""Hashes: BLAKE3 with a label, HKDF and HMAC with SHA-256."""

import hashlib
import hmac

from blake3 import blake3

V1 = "concilium 2026-11 v1 "

PACKET_SIGNATURE = V1 + "gka operation packet signature"
CONFIRMATION = V1 + "gka-dh confirmation"
CONFIRMATION_KEY = V1 + "gka-dh confirmation key"
GROUP_SECRET = V1 + "gka-dh group secret"
SUBSESSION_ID = V1 + "gka-dh subsession id"
CLIQUES_TRANSCRIPT = V1 + "gka-cliques transcript"
BD_TRANSCRIPT = V1 + "gka-bd transcript"
ANNOUNCEMENT_SIGNATURE = V1 + "gka-mls announcement signature"
PACKET_ID = V1 + "server-order packet id"
LEAVE_ID = V1 + "server-order leave id"
CHAIN_START = V1 + "server-order chain start"
CHAIN_STEP = V1 + "server-order chain step"
ENCRYPTOR = V1 + "encryptor/"
BINDING = V1 + "encryptor binding"
MESSAGE_SIGNATURE = V1 + "encryptor message signature"
EXPORTER_BASE = V1 + "session exporter base"
EXPORTER = V1 + "session exporter"


def _field(data):
    return len(data).to_bytes(8, "little") + data


def _encode(value):
    if isinstance(value, int):
        return _field(value.to_bytes(8, "little"))
    if isinstance(value, (list, tuple)):
        return _encode(len(value)) + b"".join(_encode(item) for item in value)
    return _field(bytes(value))


def framed(label, *fields, length=32):
    """The framed hash: bytes, numbers and lists of these, under a label."""
    return blake3(b"".join(_encode(f) for f in fields), derive_key_context=label).digest(length=length)


def keyed(key, data, length=32):
    return blake3(data, key=key).digest(length=length)


def hmac_sha256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf_extract(salt, material):
    return hmac_sha256(salt, material)


def hkdf_expand(prk, info, length):
    out, block, count = b"", b"", 1
    while len(out) < length:
        block = hmac_sha256(prk, block + info + bytes([count]))
        out += block
        count += 1
    return out[:length]


def hkdf(salt, material, info, length):
    return hkdf_expand(hkdf_extract(salt, material), info.encode(), length)
