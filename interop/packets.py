"""The outermost frame (wire.md) and signed packets (key-agreement.md)."""

from dataclasses import dataclass

import hashes
import signatures
import wire
from faults import Refused

VERSION = 1
MAX_PACKET = 524_288
KINDS = {"operation": 1, "message": 2, "announcement": 3}
OPERATION, MESSAGE, ANNOUNCEMENT = 1, 2, 3
ROLES = {"initial": 0, "later": 1, "abort": 2}
INITIAL, LATER, ABORT = 0, 1, 2


def frame(kind, body):
    return bytes([VERSION, kind]) + body


def unframe(packet):
    """Kind and body of a packet on the channel."""
    if len(packet) < 2:
        raise Refused("shorter than a frame")
    if len(packet) > MAX_PACKET:
        raise Refused("longer than a packet may be")
    if packet[0] != VERSION:
        raise Refused("another version")
    if packet[1] not in KINDS.values():
        raise Refused("an unknown kind")
    return packet[1], packet[2:]


@dataclass
class AssociatedData:
    """What an initial packet says about the operation (K-6)."""

    session: bytes
    suite: str
    parent: bytes
    chain: bytes
    latest: list
    before: list
    include: list
    exclude: list

    @property
    def after(self):
        return sorted((set(self.before) - set(self.exclude)) | set(self.include))

    @property
    def stay(self):
        return sorted(set(self.before) - set(self.exclude))

    @property
    def join(self):
        return sorted(self.include)

    def encode(self):
        return b"".join((
            wire.byte_string(self.session), wire.byte_string(self.suite.encode()), self.parent, self.chain,
            wire.number(len(self.latest)), *self.latest, wire.members(self.before),
            wire.change(self.include, self.exclude),
        ))

    @classmethod
    def read(cls, reader):
        data = cls(reader.name(), reader.text(128), reader.array(), reader.array(), reader.list(reader.array),
                   reader.members(), *reader.change())
        before = set(data.before)
        if before & set(data.include):
            raise Refused("who comes is a member already")
        if not set(data.exclude) <= before:
            raise Refused("who goes is no member")
        if not before - set(data.exclude):
            raise Refused("nobody stays")
        if len(data.after) > wire.MAX_LIST:
            raise Refused("too many members")
        return data


def associated(session, suite, parent, chain, latest, before, after):
    """Associated data from the members before and after."""
    return AssociatedData(session, suite, parent, chain, latest, sorted(before),
                          sorted(set(after) - set(before)), sorted(set(before) - set(after)))


@dataclass
class Signed:
    author: bytes
    role: int
    about: object
    payload: bytes
    signature: bytes = b""

    def unsigned(self):
        about = self.about.encode() if self.role == INITIAL else self.about
        return wire.byte_string(self.author) + bytes([self.role]) + about + wire.byte_string(self.payload)

    def digest(self, session):
        return hashes.framed(hashes.PACKET_SIGNATURE, session, self.unsigned(), length=64)

    def seal(self, session, seed):
        """The body of the packet, signed with the identity key of that seed."""
        return self.unsigned() + signatures.sign(seed, self.digest(session))


def _read(reader):
    author, role = reader.name(), reader.choice(3)
    about = AssociatedData.read(reader) if role == INITIAL else reader.array()
    return Signed(author, role, about, reader.bytes(), reader.take(64))


def open_signed(body, session, sender, identities):
    """An authentic packet of the session by its channel sender (K-15), or a refusal."""
    packet = wire.decode(body, _read)
    if packet.author != sender:
        raise Refused("the channel says that another member sent it")
    if sender not in identities:
        raise Refused("nobody knows the identity key")
    signatures.verify(identities[sender], packet.signature, packet.digest(session))
    if packet.role == INITIAL:
        if packet.about.session != session:
            raise Refused("it names another session")
        if packet.author not in packet.about.stay:
            raise Refused("the author is not a member before and after")
    if packet.role == ABORT and packet.payload:
        raise Refused("an abort has an empty payload")
    return packet
