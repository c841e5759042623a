"""The encryptor with a ratchet (encryptor.md, second part).

A reader that checks recorded packets keeps every key, so nothing here is erased."""

import hashes
from encryptor import Encryptor, NotDecryptable
from faults import Refused

MAX_AHEAD = 1024


class Ratchet(Encryptor):
    header_length = 38

    def _start(self):
        root = self.secret("ratchet root")
        self.header_key = self.secret("header key")
        self.chains = {m: hashes.keyed(root, place.to_bytes(2, "little"))
                       for place, m in enumerate(self.members)}
        self.secrets = {m: [] for m in self.members}
        self.next = dict.fromkeys(self.members, 0)

    def _secret_of(self, author, generation):
        known = self.secrets[author]
        while len(known) <= generation:
            step = hashes.keyed(self.chains[author], b"ratchet", 64)
            known.append(step[:32])
            self.chains[author] = step[32:]
        return known[generation]

    def _signed_tail(self, generation):
        return generation.to_bytes(4, "little")

    def _key_of(self, salt, author, generation):
        return hashes.keyed(self._secret_of(author, generation), salt, 44)

    def _mask(self, salt, author, generation, message_id):
        place = self.members.index(author)
        return self._xor(salt, place.to_bytes(2, "little") + generation.to_bytes(4, "little") + message_id)

    def _xor(self, salt, header):
        mask = hashes.keyed(self.header_key, salt, self.header_length)
        return bytes(a ^ b for a, b in zip(header, mask))

    def _unmask(self, salt, masked):
        header = self._xor(salt, masked)
        place, generation = (int.from_bytes(part, "little") for part in (header[:2], header[2:6]))
        if place >= len(self.members):
            raise NotDecryptable("the header's author is no member")
        author = self.members[place]
        if generation > self.next[author] + MAX_AHEAD or generation > 2**32 - 2:
            raise NotDecryptable("a generation too far ahead")
        return author, generation, header[6:]

    def _check_header(self, header, message):
        if header[0] != message.author or header[2] != message.id:
            raise Refused("the header is not this message's")

    def take(self, message):
        super().take(message)
        self.next[message.author] = max(self.next[message.author], message.generation + 1)
