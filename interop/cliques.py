"""CLIQUES as one member lives through it (docs/spec/cliques.md)."""

import wire
from hashes import Framed
from keys import Confirmation, Keys, confirmation_key
from packets import Refused
from ristretto import ORDER, Point, scalar

SUITE = b"cliques-ristretto255"


class Payload:
    """What a packet says: a flow with or without a confirmation, or a confirmation alone."""

    def __init__(self, packet):
        wire.whole(packet.payload, lambda reader: self.read(reader, packet.role == 0))

    def read(self, reader, is_initial):
        self.base = reader.optional(lambda: reader.take(32)) if is_initial else None
        self.kind = reader.integer()
        self.nonce = self.elements = self.confirmation = None
        if self.kind in (0, 1):
            self.nonce = reader.take(32)
            elements = reader.string()
            if len(elements) % 32:
                raise wire.Malformed("no whole elements")
            self.elements = [elements[at:at + 32] for at in range(0, len(elements), 32)]
            if len(set(self.elements)) != len(self.elements):
                raise wire.Malformed("an element stands twice")
        if self.kind in (1, 2):
            self.confirmation = Confirmation(reader)
        elif self.kind != 0:
            raise wire.Malformed("no body")


class State:
    """What an operation leaves a member for the next."""

    def __init__(self, contribution, slots, keys):
        self.contribution, self.slots = contribution, slots
        self.transcript, self.verifying = keys.transcript, keys.verifying


class Operation:
    """An operation that a member of `after` takes part in. `drawn` gives the contribution of a packet of its own."""

    def __init__(self, me, state, packet, number, drawn):
        self.me, self.data, self.number, self.drawn = me, packet.data, number, drawn
        self.kept = [member for member in self.data.before if member in self.data.after]
        self.joiners = sorted(self.data.include)
        self.order = self.kept + self.joiners
        self.state = state
        self.turns = [packet.author] + self.joiners
        self.nonces, self.slots, self.statements = [], None, {}
        payload = Payload(packet)
        self.base = payload.base
        if me in self.data.before and self.base != (state.transcript if state else None):
            raise Refused("it continues from another operation")
        self.contribution = state.contribution if state else None
        self.keys = None
        self.flow(packet, payload)

    def receive(self, packet):
        """Takes a later packet. Gives keys and state once all have confirmed."""
        payload = Payload(packet)
        if payload.kind == 2:
            if self.slots is None or packet.author not in self.order:
                raise Refused("not its turn")
            self.statements.setdefault(packet.author, payload.confirmation)
        else:
            self.flow(packet, payload)

    def flow(self, packet, payload):
        if payload.kind not in (0, 1) or len(self.nonces) >= len(self.turns):
            raise Refused("not its turn")
        if packet.author != self.turns[len(self.nonces)] or payload.nonce in self.nonces:
            raise Refused("not its turn, or a nonce of before")
        self.nonces.append(payload.nonce)
        is_last = len(self.nonces) == len(self.turns)
        if is_last != (payload.kind == 1):
            raise Refused("a downflow before its time, or an upflow after it")
        if len(payload.elements) != len(self.kept) + len(self.nonces) - (1 if is_last else 0) \
                and len(payload.elements) != len(self.kept) + len(self.nonces) - 1 + (0 if is_last else 1):
            raise Refused("another number of elements")
        if packet.author == self.me:
            fresh = scalar(self.drawn(packet))
            own = self.contribution if self.me in self.data.before and self.contribution else 1
            self.contribution = own * fresh % ORDER
        if is_last:
            self.slots = dict(zip(self.order, payload.elements))
            self.statements[packet.author] = payload.confirmation

    def result(self):
        """The keys and the state, as soon as the operation has succeeded."""
        wanted = self.order if self.joiners else self.turns
        if self.slots is None or not set(wanted) <= set(self.statements):
            return None
        framed = Framed("gka-cliques transcript").number(1).field(SUITE).field(self.data.session)
        framed.list([self.base] if self.base else []).field(self.data.encoded).list(self.order)
        framed.list(self.nonces).field(b"".join(self.slots[member] for member in self.order))
        transcript = framed.list([self.number] if self.joiners else []).out()
        computed = (self.contribution * Point.decode(self.slots[self.me])).encode()
        key = confirmation_key(transcript, computed)
        for author, statement in self.statements.items():
            statement.check(author, transcript, key)
        keys = Keys(transcript, computed)
        before = self.state.verifying if self.state else {}
        keys.verifying = {member: self.statements[member].key if member in self.statements else before[member]
                          for member in sorted(self.order)}
        return keys, State(self.contribution, self.slots, keys)
