"""From what the members of an operation computed to keys, and the confirmation (docs/spec/cliques.md)."""

from hashes import PREFIX, Framed, expand, extract, mac
from packets import Refused


def info(purpose):
    return (PREFIX + "gka-dh " + purpose).encode()


def confirmation_key(transcript, computed):
    return expand(extract(transcript, computed), info("confirmation key"), 64)


class Keys:
    """What an operation gives all of its members."""

    def __init__(self, transcript, computed):
        extracted = extract(transcript, computed)
        self.transcript = transcript
        self.secret = expand(extracted, info("group secret"), 32)
        self.subsession = expand(extracted, info("subsession id"), 32)
        self.verifying = {}


class Confirmation:
    """A statement of the transcript hash and a verifying key, with a MAC."""

    def __init__(self, reader):
        self.transcript, self.key, self.mac = (reader.take(32) for _ in range(3))

    def check(self, author, transcript, key):
        """Demands that the author took part in the same and holds the same key."""
        if self.transcript != transcript or self.mac != made(key, transcript, author, self.key):
            raise Refused("the confirmation does not fit")


def made(key, transcript, author, verifying):
    framed = Framed("gka-dh confirmation").field(transcript).field(author).field(verifying).out()
    return mac(key, framed)
