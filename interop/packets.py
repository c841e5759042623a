"""The outermost frame, and packets signed with identity keys (docs/spec/wire.md, docs/spec/key-agreement.md)."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

import wire
from hashes import Framed

OPERATION, MESSAGE, ANNOUNCEMENT = 1, 2, 3
MAX_BYTES = 512 * 1024


class Refused(Exception):
    """The packet is not authentic, or does not count."""


def frame(kind, body):
    return bytes([1, kind]) + body


def unframe(packet):
    """The kind and the body of a packet."""
    if len(packet) < 2 or len(packet) > MAX_BYTES or packet[0] != 1 or packet[1] not in (1, 2, 3):
        raise Refused("no packet of this protocol")
    return packet[1], packet[2:]


def public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed, data):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(data)


def verify(key, signature, data):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except (InvalidSignature, ValueError) as error:
        raise Refused("the signature does not fit") from error


class Data:
    """The associated data of an operation (K-6)."""

    def __init__(self, reader):
        start = reader.at
        self.session, self.suite = reader.member(), reader.string()
        self.parent, self.chain = reader.take(32), reader.take(32)
        self.latest = reader.items(lambda: reader.take(32))
        self.before = reader.members()
        include, exclude = reader.members(), reader.members()
        if set(include) & set(self.before) or not set(exclude) <= set(self.before):
            raise wire.Malformed("the change does not fit the members")
        self.include = include
        self.after = sorted((set(self.before) | set(include)) - set(exclude))
        if not self.after or len(self.suite) > 128 or len(self.latest) > 1024:
            raise wire.Malformed("beyond the limits")
        self.encoded = reader.data[start:reader.at]


class Signed:
    """A signed packet of an operation. Opening it proves that it is authentic as its sender's (K-15)."""

    def __init__(self, body, session, sender, directory):
        if len(body) < 64:
            raise Refused("too short for a signature")
        signed, signature = body[:-64], body[-64:]
        try:
            wire.whole(signed, self.read)
        except wire.Malformed as error:
            raise Refused(str(error)) from error
        if self.author != sender:
            raise Refused("another member sent it than made it")
        if self.data and (self.data.session != session or self.author not in self.data.before
                          or self.author not in self.data.after):
            raise Refused("the members or the session do not fit")
        if self.author not in directory:
            raise Refused("nobody knows its author's key")
        label = "gka operation packet signature"
        verify(directory[self.author], signature, Framed(label).field(session).field(signed).out(64))

    def read(self, reader):
        self.author = reader.member()
        self.role = reader.integer()
        self.data = self.initial = None
        if self.role == 0:
            self.data = Data(reader)
        elif self.role in (1, 2):
            self.initial = reader.take(32)
        else:
            raise wire.Malformed("no role")
        self.payload = reader.string()
