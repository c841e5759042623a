"""The encoding of the workspace (docs/spec/wire.md)."""


class Malformed(Exception):
    """The bytes are not what they should be."""


class Reader:
    """Takes values off the front of some bytes, strictly: each value has one encoding."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        piece = self.data[self.at:self.at + count]
        if len(piece) != count:
            raise Malformed("bytes are missing")
        self.at += count
        return piece

    def byte(self):
        return self.take(1)[0]

    def integer(self):
        first = self.byte()
        if first < 251:
            return first
        if first > 253:
            raise Malformed("no integer of 64 bits")
        number = int.from_bytes(self.take({251: 2, 252: 4, 253: 8}[first]), "little")
        if integer(number) != self.data[self.at - 1 - {251: 2, 252: 4, 253: 8}[first]:self.at]:
            raise Malformed("a longer form than the number needs")
        return number

    def string(self):
        return self.take(self.integer())

    def optional(self, read):
        flag = self.byte()
        if flag > 1:
            raise Malformed("neither absent nor present")
        return read() if flag else None

    def items(self, read):
        return [read() for _ in range(self.integer())]

    def member(self):
        name = self.string()
        if not 1 <= len(name) <= 255:
            raise Malformed("a name has 1 to 255 bytes")
        return name

    def members(self):
        names = self.items(self.member)
        if any(a >= b for a, b in zip(names, names[1:])):
            raise Malformed("members do not ascend")
        return names

    def end(self):
        if self.at != len(self.data):
            raise Malformed("bytes are left over")


def whole(data, read):
    """Reads one value that all of the bytes belong to."""
    reader = Reader(data)
    value = read(reader)
    reader.end()
    return value


def integer(number):
    if number < 251:
        return bytes([number])
    for marker, size in ((251, 2), (252, 4), (253, 8)):
        if number < 1 << (8 * size):
            return bytes([marker]) + number.to_bytes(size, "little")
    raise ValueError(number)


def string(data):
    return integer(len(data)) + data


def members(names):
    return integer(len(names)) + b"".join(string(name) for name in sorted(names))


def change(include, exclude):
    return members(include) + members(exclude)
