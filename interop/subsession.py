"""One subsession as a member reads it: its keys, its transcript (transcript.md), the rules for messages."""

from dataclasses import dataclass

import encryptor
import signatures
from faults import Refused


class ParentsMissing(Exception):
    """The message waits for its parents (G-1)."""


@dataclass
class Entry:
    message: encryptor.Message
    place: int
    ancestors: int


class Subsession:
    def __init__(self, suite, keys, confirmable):
        self.id, self.members, self.secret = keys.subsession, keys.members, keys.secret
        self.box = encryptor.encryptor(suite, keys.subsession, keys.secret, keys.verifying_keys)
        self.entries, self.order = {}, []
        self.last_of, self.finish_of = {}, {}
        # Places of the chain that a member may confirm: those since the operation that made the subsession.
        self.confirmable = confirmable

    def open(self, body):
        return self.box.open(body)

    def take(self, message, retired):
        """Puts a message in. `retired` are first keys that a finish has replaced (A-15)."""
        if message.id in self.entries:
            return False
        if any(p not in self.entries for p in message.parents):
            raise ParentsMissing
        parents = [self.entries[p] for p in message.parents]
        ancestors = 0
        for entry in parents:
            if any(other.ancestors >> entry.place & 1 for other in parents):
                raise Refused("a parent is an ancestor of another (G-2)")
        for entry in parents:
            ancestors |= entry.ancestors | 1 << entry.place
        last = self.last_of.get(message.author)
        if last and not ancestors >> last.place & 1:
            raise Refused("its author branches (G-3)")
        self._check_kind(message, retired)
        self._check_confirmation(message, first=last is None)
        entry = Entry(message, len(self.order), ancestors)
        self.entries[message.id] = self.last_of[message.author] = entry
        self.order.append(entry)
        if message.kind == encryptor.FINISH:
            self.finish_of.setdefault(message.author, entry)
            if signatures.is_acceptable(message.body):
                retired.add(self.box.keys[message.author])
        self.box.take(message)
        return True

    def _check_kind(self, message, retired):
        finish, kind = self.finish_of.get(message.author), message.kind
        if not message.control and self.box.keys[message.author] in retired:
            raise Refused("signed with a key that a finish has replaced (A-15)")
        if kind == encryptor.DATA and finish:
            raise Refused("data after a finish (M-9)")
        if kind == encryptor.PUBLICATION:
            if not finish or not signatures.is_acceptable(finish.message.body):
                raise Refused("a key is published that no finish has retired")
            seed, key = message.body, self.box.keys[message.author]
            if len(seed) != 32 or signatures.public_key(seed) != key:
                raise Refused("the published key is not the one used before (M-9)")

    def _check_confirmation(self, message, first):
        if first and message.confirmation is None:
            raise Refused("a first message without a confirmation of the chain (O-10)")
        if message.confirmation is not None and message.confirmation not in self.confirmable:
            raise Refused("another history (O-10)")
