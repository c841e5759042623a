"""Framed hashes, HKDF, and the labels that tell their uses apart (docs/spec/wire.md, docs/spec/labels.md)."""

import hashlib
import hmac

from blake3 import blake3

PREFIX = "concilium 2026-11 v1 "


class Framed:
    """BLAKE3 in key-derivation mode over fields with their lengths."""

    def __init__(self, label):
        self.hash = blake3(derive_key_context=PREFIX + label)

    def field(self, data):
        self.hash.update(len(data).to_bytes(8, "little") + bytes(data))
        return self

    def number(self, number):
        return self.field(number.to_bytes(8, "little"))

    def list(self, items):
        self.number(len(items))
        for item in items:
            self.field(item)
        return self

    def out(self, length=32):
        return self.hash.digest(length=length)


def keyed(key, data, length=32):
    return blake3(data, key=key).digest(length=length)


def extract(salt, secret):
    return hmac.new(salt, secret, hashlib.sha256).digest()


def expand(extracted, info, length):
    out, block, number = b"", b"", 1
    while len(out) < length:
        block = hmac.new(extracted, block + info + bytes([number]), hashlib.sha256).digest()
        out, number = out + block, number + 1
    return out[:length]


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()
