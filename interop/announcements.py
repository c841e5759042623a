"""Announcements of MLS (mls.md): the signature, and what the key package (RFC 9420) says about who is who."""

import hashes
import signatures
import wire
from faults import Refused

MLS_1, KEY_PACKAGE_FORMAT, SUITE, BASIC, SIGNING_KEY_EXTENSION = 1, 5, 1, 1, 0xFC0D


class _Mls(wire.Reader):
    """Reads the presentation language of RFC 9420."""

    def uint(self, width):
        return int.from_bytes(self.take(width), "big")

    def vector(self):
        first = self.take(1)[0]
        prefix = first >> 6
        if prefix == 3:
            raise Refused("no length")
        length = int.from_bytes(bytes([first & 0x3F]) + self.take((1 << prefix) - 1), "big")
        return self.take(length)


def _vector(data):
    assert len(data) < 1 << 30
    for prefix in range(3):
        width = 1 << prefix
        if len(data) < 1 << (8 * width - 2):
            return (len(data) | prefix << (8 * width - 2)).to_bytes(width, "big") + data


def _verify_with_label(key, label, content, signature):
    signatures.verify(key, signature, _vector(b"MLS 1.0 " + label) + _vector(content))


def _key_package(data, author, identity_key, signing_key):
    reader = _Mls(data)
    if (reader.uint(2), reader.uint(2)) != (MLS_1, KEY_PACKAGE_FORMAT):
        raise Refused("no key package")
    start = reader.at
    if (reader.uint(2), reader.uint(2)) != (MLS_1, SUITE):
        raise Refused("another cipher suite")
    reader.vector()
    leaf = reader.at
    reader.vector()
    if reader.vector() != identity_key:
        raise Refused("the leaf's signature key is not the identity key")
    if reader.uint(2) != BASIC or reader.vector() != author:
        raise Refused("the credential is not the author's")
    for _ in range(5):
        reader.vector()
    if reader.uint(1) != 1 or (reader.uint(8), reader.uint(8)) != (0, (1 << 63) - 1):
        raise Refused("a leaf of another source, or another lifetime")
    extensions, found = _Mls(reader.vector()), []
    while extensions.at < len(extensions.data):
        kind, content = extensions.uint(2), extensions.vector()
        if kind == SIGNING_KEY_EXTENSION:
            found.append(content)
    if found != [signing_key]:
        raise Refused("the leaf has another signing key")
    _verify_with_label(identity_key, b"LeafNodeTBS", data[leaf:reader.at], reader.vector())
    reader.vector()
    _verify_with_label(identity_key, b"KeyPackageTBS", data[start:reader.at], reader.vector())
    reader.end()


def open_announcement(body, session, author, identity_key):
    """The signing key that an authentic announcement offers."""
    if len(body) > 1024:
        raise Refused("an announcement that is too long")
    package, key, signature = wire.decode(body, lambda r: (r.bytes(), r.array(), r.take(64)))
    digest = hashes.framed(hashes.ANNOUNCEMENT_SIGNATURE, session, author, package, key, length=64)
    signatures.verify(identity_key, signature, digest)
    _key_package(package, author, identity_key, key)
    return key
