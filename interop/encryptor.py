"""The default encryptor (encryptor.md): messages of one subsession, sealed and opened."""

from dataclasses import dataclass, field

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

import hashes
import packets
import signatures
import wire
from faults import Refused

CIPHERS = {"aes256gcm": AESGCM, "chacha20poly1305": ChaCha20Poly1305}
DATA, ACKNOWLEDGED, USER_ACKNOWLEDGED, CONSISTENCY, FINISH, PUBLICATION = range(6)
BY_CONTROL_KEY = {ACKNOWLEDGED, USER_ACKNOWLEDGED, CONSISTENCY, PUBLICATION}
CONTROL, CONFIRMED = 0x40, 0x80
MAX_BODY = 65_536
LONGEST = {"buckets": 131_100, "unpadded": 98_468}
FRAME = bytes([packets.VERSION, packets.MESSAGE])


class NotDecryptable(Refused):
    """The packet does not open under these keys."""


class NotYet(Refused):
    """The packet waits for a finish that names the key that signed it."""


@dataclass
class Message:
    author: bytes
    kind: int
    parents: list
    confirmation: tuple | None
    body: bytes
    control: bool = False
    id: bytes = b""
    generation: int | None = None
    random: bytes = field(default=b"", repr=False)


def padded_length(padding, length):
    if padding == "unpadded":
        return length
    if padding == "buckets":
        return max(128, 1 << (length - 1).bit_length())
    raise Refused("an unknown padding")


class Encryptor:
    """One subsession's keys."""

    header_length = 0

    def __init__(self, suite, subsession, secret, verifying_keys):
        self.suite, self.subsession = suite, subsession
        cipher, plus, self.padding = suite.removeprefix("ratchet+").partition("+")
        if cipher not in CIPHERS or not plus or self.padding not in ("buckets", "unpadded"):
            raise Refused(f"an unknown suite: {suite}")
        self.cipher = CIPHERS[cipher]
        self.keys = dict(verifying_keys)
        self.members = sorted(self.keys)
        self.control_keys = {}
        self._prk = hashes.hkdf_extract(subsession, secret)
        self.id_key, self.salt_key = self.secret("message id key"), self.secret("salt key")
        self.exporter, self.commitment = self.secret("exporter"), self.secret("commitment")
        pairs = [part for m in self.members for part in (m, self.keys[m])]
        self.binding = hashes.framed(hashes.BINDING, suite.encode(), subsession, self.commitment,
                                     len(self.members), *pairs)
        self._start()

    def _start(self):
        self.message_key = self.secret("message key")

    def secret(self, label):
        info = hashes.ENCRYPTOR + self.suite + "/" + label
        return hashes.hkdf_expand(self._prk, info.encode(), 32)

    def export(self, label, context, length):
        data = b"".join(len(part).to_bytes(8, "little") + part for part in (label, context))
        return hashes.keyed(self.exporter, data, length)

    # What the ratchet does otherwise.

    def _signed_tail(self, generation):
        return b""

    def _key_of(self, salt, author, generation):
        return hashes.keyed(self.message_key, salt, 44)

    def _mask(self, salt, author, generation, message_id):
        return b""

    def _unmask(self, salt, masked):
        return None, None, None

    def _check_header(self, header, message):
        pass

    # The text.

    def _text(self, message):
        flags = (CONTROL if message.control else 0) | (CONFIRMED if message.confirmation else 0)
        return b"".join((
            wire.number(self.members.index(message.author)), bytes([message.kind | flags]),
            wire.number(len(message.parents)), *message.parents, *(message.confirmation or ()), message.body))

    def _read_text(self, text):
        reader = wire.Reader(text)
        place = reader.number(16)
        if place >= len(self.members):
            raise Refused("the author is no member")
        kind = reader.take(1)[0]
        count = reader.number(16)
        if count > wire.MAX_LIST:
            raise Refused("too many parents")
        parents = [reader.array() for _ in range(count)]
        if any(a >= b for a, b in zip(parents, parents[1:])):
            raise Refused("parents do not ascend")
        confirmation = (reader.array(), reader.array()) if kind & CONFIRMED else None
        body = reader.take(len(text) - reader.at)
        if len(body) > MAX_BODY:
            raise Refused("a body that is too long")
        return Message(self.members[place], kind & 0x3F, parents, confirmation, body, bool(kind & CONTROL))

    def _hasher(self, text, generation):
        return blake3(text + self.binding + self._signed_tail(generation),
                      derive_key_context=hashes.MESSAGE_SIGNATURE)

    def _id(self, salt, digest, signature, length):
        return hashes.keyed(self.id_key, salt + digest + signature + length.to_bytes(8, "little"))

    def seal(self, message, seed, random, generation=None):
        """The packet without its frame; `message.id` is set."""
        text = self._text(message)
        hasher = self._hasher(text, generation)
        salt = hashes.keyed(self.salt_key, random + hasher.digest(), 12)
        digest = hasher.update(salt).digest(length=64)
        signature = signatures.sign(seed, digest)
        plain = signature + text + b"\x80"
        plain += bytes(padded_length(self.padding, len(plain)) - len(plain))
        length = len(salt) + self.header_length + len(plain) + 16
        message.id = self._id(salt, digest, signature, length)
        message.generation = generation
        masked = self._mask(salt, message.author, generation, message.id)
        key = self._key_of(salt, message.author, generation)
        return salt + masked + self.cipher(key[:32]).encrypt(key[32:], plain, FRAME + masked)

    def open(self, packet):
        """The message in a packet without its frame; nothing is changed."""
        head = 12 + self.header_length
        if len(packet) > LONGEST[self.padding] + self.header_length:
            raise NotDecryptable("too long")
        if len(packet) < head + 16:
            raise NotDecryptable("too short")
        salt, masked = packet[:12], packet[12:head]
        header = self._unmask(salt, masked)
        key = self._key_of(salt, header[0], header[1])
        try:
            plain = self.cipher(key[:32]).decrypt(key[32:], packet[head:], FRAME + masked)
        except InvalidTag:
            raise NotDecryptable("the tag does not fit") from None
        stripped = plain.rstrip(b"\0")
        if len(stripped) < 65 or stripped[-1] != 0x80:
            raise Refused("malformed padding")
        if padded_length(self.padding, len(stripped)) != len(plain):
            raise Refused("padding that is not the canonical one")
        signature, text = stripped[:64], stripped[64:-1]
        message = self._read_text(text)
        key = self.keys[message.author]
        if message.control:
            if message.kind not in BY_CONTROL_KEY:
                raise Refused("a kind that no control key signs")
            key = self.control_keys.get(message.author)
            if key is None:
                raise NotYet("no finish has named the control key")
        digest = self._hasher(text, header[1]).update(salt).digest(length=64)
        signatures.verify(key, signature, digest)
        message.id = self._id(salt, digest, signature, len(packet))
        message.generation = header[1]
        self._check_header(header, message)
        return message

    def take(self, message):
        """What moves once a message is in the transcript: a finish names a control key."""
        if message.kind == FINISH and signatures.is_acceptable(message.body):
            self.control_keys.setdefault(message.author, message.body)


def encryptor(suite, subsession, secret, verifying_keys):
    from ratchet import Ratchet
    kind = Ratchet if suite.startswith("ratchet+") else Encryptor
    return kind(suite, subsession, secret, verifying_keys)
