"""CLIQUES, the default group key agreement (cliques.md)."""

from dataclasses import dataclass

import hashes
import keys
import packets
import ristretto
import wire
from faults import Refused

NAME = "cliques-ristretto255"
UPFLOW, DOWNFLOW, CONFIRMATION = 0, 1, 2


class Failure(Exception):
    """The operation fails for the member that sees this (C-10)."""


@dataclass
class Keys:
    """What a successful operation gives: the subsession's keys."""

    members: list
    transcript: bytes
    subsession: bytes
    secret: bytes
    verifying_keys: dict


@dataclass
class State:
    """What the next operation starts from."""

    members: list
    base: bytes
    verifying_keys: dict
    slots: dict


@dataclass
class Statement:
    transcript: bytes
    verifying_key: bytes
    mac: bytes

    @classmethod
    def read(cls, reader):
        return cls(reader.array(), reader.array(), reader.array())

    def encode(self):
        return self.transcript + self.verifying_key + self.mac


def _elements(reader):
    data = reader.bytes()
    if len(data) % 32:
        raise Refused("elements have 32 bytes each")
    elements = [data[i:i + 32] for i in range(0, len(data), 32)]
    if not all(ristretto.is_canonical(e) for e in elements):
        raise Refused("an element that is no canonical encoding")
    if len(set(elements)) != len(elements):
        raise Refused("an element stands twice")
    return elements


def _body(reader):
    kind = reader.choice(3)
    flow = (reader.array(), _elements(reader)) if kind != CONFIRMATION else (None, None)
    statement = Statement.read(reader) if kind != UPFLOW else None
    return kind, *flow, statement


def encode_body(kind, nonce, elements, statement):
    flow = b"" if kind == CONFIRMATION else nonce + wire.byte_string(b"".join(elements))
    return bytes([kind]) + flow + (statement.encode() if statement else b"")


class Operation:
    """One operation as its packets show it, and as each member with its scalar finishes it."""

    name = NAME

    def __init__(self, signed, packet_id, before=None):
        self.data, self.id, self.author = signed.about, packet_id, signed.author
        self.before, self.after = before, self.data.after
        self.members = self.data.stay + self.data.join
        self.contributors = [self.author] + self.data.join
        self.nonces, self.flows, self.statements = [], [], {}
        reader = wire.Reader(signed.payload)
        self.base = reader.option(reader.array)
        body = _body(reader)
        reader.end()
        if self.base is None and self.data.before != [self.author]:
            raise Refused("an initiator without a base is alone")
        self._take(self.author, *body)

    @property
    def one_packet(self):
        return not self.data.join

    def receive(self, signed):
        self._take(signed.author, *wire.decode(signed.payload, _body))

    def _take(self, author, kind, nonce, elements, statement):
        turn = len(self.flows)
        if turn < len(self.contributors):
            last = turn == len(self.contributors) - 1
            if author != self.contributors[turn]:
                raise Refused("another member's turn")
            if kind != (DOWNFLOW if last else UPFLOW):
                raise Refused("another kind of packet is due")
            if len(elements) != len(self.data.stay) + turn + (0 if last else 1):
                raise Refused("a number of elements that does not fit")
            if nonce in self.nonces:
                raise Refused("a nonce that another member had before")
        elif kind != CONFIRMATION or author not in self.members or author in self.statements:
            raise Refused("nothing of the kind is due from this member")
        if statement and any(s.verifying_key == statement.verifying_key for s in self.statements.values()):
            raise Refused("a signing key that another member had before")
        if kind != CONFIRMATION:
            self.nonces.append(nonce)
            self.flows.append(elements)
        if statement:
            self.statements[author] = statement

    @property
    def done(self):
        needed = [self.author] if self.one_packet else self.members
        return all(m in self.statements for m in needed)

    def elements(self, turn, factor, scalar):
        """What the contributor of that turn has to send: `scalar` is its whole contribution."""
        if turn == 0:
            slots = self.before.slots if self.before else {self.author: ristretto.GENERATOR.encode()}
            out = [slots[m] if m == self.author else (factor * ristretto.decode(slots[m])).encode()
                   for m in self.data.stay]
            if self.data.join:
                out.append((scalar * ristretto.decode(slots[self.author])).encode())
            return out
        flow = self.flows[turn - 1]
        points = [ristretto.decode(e) for e in flow]
        out = [(factor * p).encode() for p in points[:-1]] + [flow[-1]]
        if turn < len(self.contributors) - 1:
            out.append((factor * points[-1]).encode())
        return out

    def transcript(self):
        return hashes.framed(
            hashes.CLIQUES_TRANSCRIPT, packets.VERSION, NAME.encode(), self.data.session,
            [] if self.base is None else [self.base], self.data.encode(), self.members, self.nonces,
            b"".join(self.flows[-1]), [] if self.one_packet else [self.id])

    def verifying_keys(self):
        known = dict(self.before.verifying_keys) if self.before and self.one_packet else {}
        known.update({m: s.verifying_key for m, s in self.statements.items()})
        return {m: known[m] for m in self.after}

    def finish(self, me, scalar):
        """The keys that `me` computes with its contribution, every statement checked."""
        state = self.before
        if me in self.data.stay and state:
            if self.base != state.base or self.data.before != state.members:
                raise Failure("another base or other members before than we hold")
            slot = self.flows[0][self.data.stay.index(me)]
            if me != self.author and slot == state.slots[me]:
                raise Failure("our slot is unchanged by a fresh factor")
            used = state.verifying_keys.values()
            if self.one_packet and self.statements[self.author].verifying_key in used:
                raise Failure("a signing key in use")
        transcript = self.transcript()
        computed = (scalar * ristretto.decode(self.flows[-1][self.members.index(me)])).encode()
        key = keys.confirmation_key(transcript, computed)
        for member, statement in self.statements.items():
            if statement.transcript != transcript:
                raise Failure("another transcript hash")
            if statement.mac != keys.mac(key, transcript, member, statement.verifying_key):
                raise Failure("another MAC")
        return Keys(self.after, transcript, keys.subsession(transcript, computed),
                    keys.group_secret(transcript, computed), self.verifying_keys())

    def state(self):
        """The state after success."""
        slots = dict(zip(self.members, self.flows[-1]))
        return State(self.after, self.transcript(), self.verifying_keys(), slots)
