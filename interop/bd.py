"""Burmester and Desmedt's key agreement as one member lives through it (docs/spec/burmester-desmedt.md)."""

import wire
from hashes import Framed
from keys import Confirmation, Keys, confirmation_key
from packets import Refused
from ristretto import Point, scalar

SUITE = b"bd-ristretto255"


class Hello:
    """A point and a verifying key."""

    def __init__(self, reader):
        self.point, self.key = reader.take(32), reader.take(32)


class Links:
    """What a member sends when it has seen all hellos: a difference, and a MAC."""

    def __init__(self, reader):
        self.difference = reader.optional(lambda: reader.take(32))
        self.transcript, self.mac = reader.take(32), reader.take(32)


class State:
    """What an operation leaves a member for the next: nothing secret (B-7)."""

    def __init__(self, keys):
        self.transcript = keys.transcript


class Operation:
    """An operation that a member of `after` takes part in. `drawn` gives the contribution of a packet of its own."""

    def __init__(self, me, state, packet, number, drawn):
        self.me, self.data, self.number, self.drawn = me, packet.data, number, drawn
        self.ring = self.data.after
        self.hellos, self.links = {}, {}
        self.contribution = None
        self.base, hello = wire.whole(
            packet.payload, lambda reader: (reader.optional(lambda: reader.take(32)), Hello(reader)))
        if me in self.data.before and self.base != (state.transcript if state else None):
            raise Refused("it continues from another operation")
        self.hello(packet, hello)

    def hello(self, packet, hello):
        taken = [other for other in self.hellos.values() if hello.point == other.point or hello.key == other.key]
        if packet.author not in self.ring or packet.author in self.hellos or taken:
            raise Refused("a point or key that another has, or said before")
        Point.decode(hello.point)
        self.hellos[packet.author] = hello
        if packet.author == self.me:
            self.contribution = scalar(self.drawn(packet))

    def receive(self, packet):
        """Takes a later packet."""
        kind, content = wire.whole(packet.payload, self.read)
        if kind == 0:
            self.hello(packet, content)
        else:
            if (content.difference is None) != (len(self.ring) < 3) or len(self.hellos) < len(self.ring):
                raise Refused("a difference where none belongs, or none, or before its time")
            self.links.setdefault(packet.author, content)

    @staticmethod
    def read(reader):
        kind = reader.integer()
        if kind not in (0, 1):
            raise wire.Malformed("no body")
        return kind, (Hello(reader) if kind == 0 else Links(reader))

    def result(self):
        """The keys and the state, as soon as the operation has succeeded."""
        count = len(self.ring)
        if set(self.hellos) != set(self.ring) or count > 1 and set(self.links) != set(self.ring):
            return None
        framed = Framed("gka-bd transcript").number(1).field(SUITE).field(self.data.session)
        framed.list([self.base] if self.base else []).field(self.data.encoded)
        framed.list([self.hellos[member].point for member in self.ring])
        framed.list([self.hellos[member].key for member in self.ring])
        transcript = framed.field(self.number).out()
        place = self.ring.index(self.me)
        point = lambda at: Point.decode(self.hellos[self.ring[at % count]].point)
        links = {place: self.contribution * point(place + 1)}
        for step in range(1, count):
            at = (place + step) % count
            if count == 2:
                links[at] = links[place]
            else:
                links[at] = links[(at - 1) % count] + Point.decode(self.links[self.ring[at]].difference)
        if links[(place - 1) % count] != self.contribution * point(place - 1):
            raise Refused("the ring does not close")
        encoded = [links[at].encode() for at in range(count)]
        for at, member in enumerate(self.ring if count > 1 else []):
            said = self.links[member]
            key = confirmation_key(transcript, encoded[at - 1] + encoded[at])
            statement = object.__new__(Confirmation)
            statement.transcript, statement.key, statement.mac = said.transcript, self.hellos[member].key, said.mac
            statement.check(member, transcript, key)
        keys = Keys(transcript, b"".join(encoded))
        keys.verifying = {member: self.hellos[member].key for member in self.ring}
        return keys, State(keys)
