"""The default encryptor and the ratchet (docs/spec/encryptor.md)."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from blake3 import blake3

import hashes
import packets
from packets import Refused

CIPHERS = {"aes256gcm": AESGCM, "chacha20poly1305": ChaCha20Poly1305}
FRAME = bytes([1, packets.MESSAGE])
CONTROL, CONFIRMS = 0x40, 0x80
CONTROLLED = (1, 2, 3, 5)
FINISH = 4


class Unreadable(Exception):
    """The packet is of another subsession, damaged, or signed with a key that is yet to be named."""


class Message:
    """What a packet says."""

    def __init__(self, author, kind, parents, confirmation, body, is_controlled=False):
        self.author, self.kind, self.parents = author, kind, parents
        self.confirmation, self.body, self.is_controlled = confirmation, body, is_controlled
        self.id = None

    def text(self, members):
        flags = self.kind | (CONTROL if self.is_controlled else 0) | (CONFIRMS if self.confirmation else 0)
        start = number(members.index(self.author)) + bytes([flags]) + number(len(self.parents))
        return start + b"".join(self.parents) + b"".join(self.confirmation or ()) + self.body

    @staticmethod
    def read(text, members):
        author, at = taken(text, 0)
        if author >= len(members) or at >= len(text):
            raise Refused("no author among the members")
        flags, (count, start) = text[at], taken(text, at + 1)
        end = start + 32 * count
        parents = [text[place:place + 32] for place in range(start, end, 32)]
        confirmation = None
        if flags & CONFIRMS:
            confirmation, end = (text[end:end + 32], text[end + 32:end + 64]), end + 64
        ascending = all(a < b for a, b in zip(parents, parents[1:]))
        if end > len(text) or count > 1024 or not ascending or len(text) - end > 65536:
            raise Refused("a text of another form")
        is_controlled = bool(flags & CONTROL)
        return Message(members[author], flags & 0x3f, parents, confirmation, text[end:], is_controlled)


def number(value):
    return bytes([value]) if value <= 250 else bytes([251]) + value.to_bytes(2, "little")


def taken(text, at):
    """A number of the text, and where what follows stands."""
    if at >= len(text):
        raise Refused("a text that ends early")
    if text[at] <= 250:
        return text[at], at + 1
    value = int.from_bytes(text[at + 1:at + 3], "little")
    if text[at] != 251 or len(text) < at + 3 or value <= 250:
        raise Refused("a number of another form")
    return value, at + 3


def padded(policy, length):
    if policy == "unpadded":
        return length
    return max(128, 1 << (length - 1).bit_length())


class Encryptor:
    """One subsession's messages, for whoever holds its secret."""

    def __init__(self, suite, subsession, secret, verifying):
        parts = suite.split("+")
        self.is_ratchet = parts[0] == "ratchet"
        cipher, self.padding = parts[1:] if self.is_ratchet else parts
        self.cipher, self.suite = CIPHERS[cipher], suite
        self.members, self.verifying = sorted(verifying), dict(verifying)
        self.named = {}
        extracted = hashes.extract(subsession, secret)
        label = lambda name: f"{hashes.PREFIX}encryptor/{suite}/{name}".encode()
        derive = lambda name: hashes.expand(extracted, label(name), 32)
        self.id_key, self.salt_key, self.exporter = (
            derive(name) for name in ("message id key", "salt key", "exporter"))
        if self.is_ratchet:
            self.root, self.header_key = derive("ratchet root"), derive("header key")
        else:
            self.message_key = derive("message key")
        framed = hashes.Framed("encryptor binding").field(suite.encode()).field(subsession)
        framed.field(derive("commitment")).number(len(self.members))
        for member in self.members:
            framed.field(member).field(self.verifying[member])
        self.binding = framed.out()

    def signed(self, text, generation):
        context = hashes.PREFIX + "encryptor message signature"
        return blake3(text + self.binding + generation, derive_key_context=context)

    def lock(self, salt, author, generation):
        """The message's key and nonce."""
        if not self.is_ratchet:
            out = hashes.keyed(self.message_key, salt, 44)
        else:
            chain = hashes.keyed(self.root, self.members.index(author).to_bytes(2, "little"))
            for _ in range(generation):
                chain = hashes.keyed(chain, b"ratchet", 64)[32:]
            out = hashes.keyed(hashes.keyed(chain, b"ratchet", 64)[:32], salt, 44)
        return self.cipher(out[:32]), out[32:]

    def mask(self, salt, header):
        stream = hashes.keyed(self.header_key, salt, 38)
        return bytes(a ^ b for a, b in zip(header, stream))

    def id_of(self, salt, digest, signature, length):
        return hashes.keyed(self.id_key, salt + digest + signature + length.to_bytes(8, "little"))

    def seal(self, message, random, seed, generation=0):
        """The packet of a message, and its id (docs/spec/encryptor.md, Sealing)."""
        text = message.text(self.members)
        counted = generation.to_bytes(4, "little") if self.is_ratchet else b""
        signed = self.signed(text, counted)
        salt = hashes.keyed(self.salt_key, random + signed.digest())[:12]
        signed.update(salt)
        digest = signed.digest(length=64)
        signature = packets.sign(seed, digest)
        plain = signature + text + b"\x80"
        plain += bytes(padded(self.padding, len(plain)) - len(plain))
        length = 12 + (38 if self.is_ratchet else 0) + len(plain) + 16
        identity = self.id_of(salt, digest, signature, length)
        header = b""
        if self.is_ratchet:
            place = self.members.index(message.author).to_bytes(2, "little")
            header = self.mask(salt, place + counted + identity)
        cipher, nonce = self.lock(salt, message.author, generation)
        return salt + header + cipher.encrypt(nonce, plain, FRAME + header), identity

    def open(self, packet):
        """The message in a packet, verified."""
        salt, rest, header, counted, author = packet[:12], packet[12:], b"", b"", None
        generation = 0
        if self.is_ratchet:
            header, rest = rest[:38], rest[38:]
            clear = self.mask(salt, header)
            place, counted = int.from_bytes(clear[:2], "little"), clear[2:6]
            generation = int.from_bytes(counted, "little")
            if place >= len(self.members) or generation > 100_000:
                raise Unreadable("no header of this subsession")
            author = self.members[place]
        cipher, nonce = self.lock(salt, author, generation)
        try:
            plain = cipher.decrypt(nonce, rest, FRAME + header)
        except (InvalidTag, ValueError) as error:
            raise Unreadable("the tag does not fit") from error
        content = plain.rstrip(b"\0")
        if len(content) < 65 or content[-1] != 0x80 or len(plain) != padded(self.padding, len(content)):
            raise Refused("another padding")
        signature, text = content[:64], content[64:-1]
        message = Message.read(text, self.members)
        if self.is_ratchet and message.author != author:
            raise Refused("a header of another author")
        key = self.verifying[message.author]
        if message.is_controlled:
            if message.kind not in CONTROLLED:
                raise Refused("a control key signs no such kind")
            key = self.named.get(message.author)
            if key is None:
                raise Unreadable("its key is yet to be named")
        signed = self.signed(text, counted)
        signed.update(salt)
        digest = signed.digest(length=64)
        packets.verify(key, signature, digest)
        message.id = self.id_of(salt, digest, signature, len(packet))
        if self.is_ratchet and clear[6:] != message.id:
            raise Refused("a header of another message")
        return message

    def take(self, message):
        """The message is taken: a finish may name a control key (M-9)."""
        if message.kind == FINISH and len(message.body) == 32 and not message.is_controlled:
            self.named.setdefault(message.author, message.body)
