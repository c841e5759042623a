"""How values become bytes (wire.md)."""

from faults import Refused

MAX_LIST = 1024


class Reader:
    """Reads values from bytes, strictly: one encoding each, no byte left over."""

    def __init__(self, data):
        self.data = bytes(data)
        self.at = 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Refused("bytes are missing")
        part = self.data[self.at:self.at + count]
        self.at += count
        return part

    def number(self, bits=64):
        first = self.take(1)[0]
        if bits == 8 or first < 251:
            return first
        width = {251: 2, 252: 4, 253: 8, 254: 16}.get(first)
        if width is None or width * 8 > bits:
            raise Refused("a marker that does not belong there")
        value = int.from_bytes(self.take(width), "little")
        if number(value)[0] != first:
            raise Refused("a longer form than the number needs")
        return value

    def bytes(self, most=None):
        count = self.number()
        if most is not None and count > most:
            raise Refused("too long")
        return self.take(count)

    def text(self, most=None):
        try:
            return self.bytes(most).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("no UTF-8") from None

    def list(self, item, most=MAX_LIST):
        count = self.number()
        if count > most:
            raise Refused("too many items")
        return [item() for _ in range(count)]

    def option(self, item):
        flag = self.take(1)[0]
        if flag > 1:
            raise Refused("neither 0 nor 1")
        return item() if flag else None

    def choice(self, variants):
        index = self.number(32)
        if index >= variants:
            raise Refused("an unknown variant")
        return index

    def array(self):
        return self.take(32)

    def name(self):
        value = self.bytes(255)
        if not value:
            raise Refused("a name has a byte at least")
        return value

    def members(self):
        items = self.list(self.name)
        if any(a >= b for a, b in zip(items, items[1:])):
            raise Refused("members do not ascend")
        return items

    def change(self):
        include, exclude = self.members(), self.members()
        if set(include) & set(exclude):
            raise Refused("a member comes and goes")
        return include, exclude

    def end(self):
        if self.at != len(self.data):
            raise Refused("bytes are left over")


def decode(data, read):
    """Reads all of `data` as the one value that `read` knows how to read."""
    reader = Reader(data)
    value = read(reader)
    reader.end()
    return value


def number(value):
    if value < 251:
        return bytes([value])
    for marker, width in ((251, 2), (252, 4), (253, 8), (254, 16)):
        if value < 1 << (8 * width):
            return bytes([marker]) + value.to_bytes(width, "little")
    raise ValueError("a number beyond 128 bits")


def byte_string(value):
    return number(len(value)) + bytes(value)


def members(items):
    return number(len(items)) + b"".join(byte_string(item) for item in sorted(items))


def change(include, exclude):
    return members(include) + members(exclude)


def option(value):
    return b"\0" if value is None else b"\1" + value
