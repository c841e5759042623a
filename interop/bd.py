"""Burmester and Desmedt's key agreement (burmester-desmedt.md)."""

from dataclasses import dataclass

import hashes
import keys
import packets
import ristretto
import signatures
import wire
from cliques import Failure, Keys
from faults import Refused

NAME = "bd-ristretto255"
HELLO, LINKS = 0, 1


@dataclass
class State:
    members: list
    base: bytes
    verifying_keys: dict


def _hello(reader):
    point, key = reader.array(), reader.array()
    ristretto.decode(point)
    if not signatures.is_acceptable(key):
        raise Refused("no verifying key")
    return point, key


def _links(reader):
    difference = reader.option(reader.array)
    if difference is not None:
        ristretto.decode(difference)
    return difference, reader.array(), reader.array()


def _later(reader):
    kind = reader.choice(2)
    return kind, _hello(reader) if kind == HELLO else _links(reader)


class Operation:
    """One operation as its packets show it, and as each member with its scalar finishes it."""

    name = NAME

    def __init__(self, signed, packet_id, before=None):
        self.data, self.id, self.author, self.before = signed.about, packet_id, signed.author, before
        self.members = self.after = self.data.after
        self.hellos, self.links = {}, {}
        reader = wire.Reader(signed.payload)
        self.base = reader.option(reader.array)
        hello = _hello(reader)
        reader.end()
        if self.base is None and self.data.before != [self.author]:
            raise Refused("an initiator without a base is alone")
        self._take_hello(self.author, *hello)

    @property
    def one_packet(self):
        return len(self.members) == 1

    def receive(self, signed):
        kind, value = wire.decode(signed.payload, _later)
        if signed.author not in self.members:
            raise Refused("the author is no member after")
        if kind == HELLO:
            self._take_hello(signed.author, *value)
        else:
            self._take_links(signed.author, *value)

    def _take_hello(self, author, point, key):
        if author in self.hellos:
            raise Refused("a second hello")
        if any(point == p or key == k for p, k in self.hellos.values()):
            raise Refused("a point or key that another member has")
        self.hellos[author] = point, key

    def _take_links(self, author, difference, transcript, mac):
        if len(self.hellos) < len(self.members) or self.one_packet:
            raise Refused("links before their time")
        if author in self.links:
            raise Refused("second links")
        if (difference is None) != (len(self.members) < 3):
            raise Refused("a difference where none belongs, or none where one does")
        self.links[author] = difference, transcript, mac

    @property
    def done(self):
        return self.one_packet or len(self.links) == len(self.members)

    def _points(self):
        return [ristretto.decode(self.hellos[m][0]) for m in self.members]

    def transcript(self):
        return hashes.framed(
            hashes.BD_TRANSCRIPT, packets.VERSION, NAME.encode(), self.data.session,
            [] if self.base is None else [self.base], self.data.encode(),
            [self.hellos[m][0] for m in self.members], [self.hellos[m][1] for m in self.members], self.id)

    def verifying_keys(self):
        return {m: self.hellos[m][1] for m in self.members}

    def difference(self, me, scalar):
        """What `me` has to publish, or none among fewer than three."""
        count, i = len(self.members), self.members.index(me)
        if count < 3:
            return None
        points = self._points()
        return (scalar * (points[(i + 1) % count] - points[i - 1])).encode()

    def confirmation(self, me, scalar):
        """The MAC that `me` has to state: its key comes of the two links of `me`."""
        points, i = self._points(), self.members.index(me)
        before, after = (scalar * points[i - 1]).encode(), (scalar * points[(i + 1) % len(points)]).encode()
        return self._mac(me, before, after)

    def _mac(self, member, before, after):
        transcript = self.transcript()
        key = keys.confirmation_key(transcript, before + after)
        return keys.mac(key, transcript, member, self.hellos[member][1])

    def finish(self, me, scalar):
        state = self.before
        if me in self.data.stay and state:
            if self.base != state.base or self.data.before != state.members:
                raise Failure("another base or other members before than we hold")
        count, i = len(self.members), self.members.index(me)
        points, transcript = self._points(), self.transcript()
        if any(t != transcript for _, t, _ in self.links.values()):
            raise Failure("another transcript hash")
        links = [None] * count
        links[i] = scalar * points[(i + 1) % count]
        for step in range(1, count):
            at = (i + step) % count
            if count == 2:
                links[at] = links[i]
            else:
                links[at] = links[at - 1] + ristretto.decode(self.links[self.members[at]][0])
        if not links[i - 1] == scalar * points[i - 1]:
            raise Failure("the ring does not close")
        encoded = [link.encode() for link in links]
        for at, member in enumerate(self.members):
            if self.one_packet:
                break
            if self.links[member][2] != self._mac(member, encoded[at - 1], encoded[at]):
                raise Failure("a MAC that does not fit")
        computed = b"".join(encoded)
        return Keys(self.after, transcript, keys.subsession(transcript, computed),
                    keys.group_secret(transcript, computed), self.verifying_keys())

    def state(self):
        return State(self.members, self.transcript(), self.verifying_keys())
