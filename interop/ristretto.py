"""The group ristretto255 (RFC 9496): decode, encode, add, multiply. Run the file for its self-test."""

from faults import Refused

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def _negative(x):
    return x % P & 1


def _abs(x):
    x %= P
    return P - x if x & 1 else x


def _sqrt_ratio(u, v):
    """Whether u/v is a square, and the non-negative root of u/v or of sqrt(-1) u/v."""
    r = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * r * r % P
    correct, flipped = check == u % P, check == -u % P
    flipped_i = check == -u * SQRT_M1 % P
    if flipped or flipped_i:
        r = r * SQRT_M1 % P
    return correct or flipped, _abs(r)


INVSQRT_A_MINUS_D = _sqrt_ratio(1, -1 - D)[1]


class Point:
    """A group element, in extended coordinates."""

    __slots__ = ("x", "y", "z", "t")

    def __init__(self, x, y, z, t):
        self.x, self.y, self.z, self.t = x, y, z, t

    def __add__(self, other):
        a = (self.y - self.x) * (other.y - other.x) % P
        b = (self.y + self.x) * (other.y + other.x) % P
        c = 2 * D * self.t * other.t % P
        d = 2 * self.z * other.z % P
        e, f, g, h = b - a, d - c, d + c, b + a
        return Point(e * f % P, g * h % P, f * g % P, e * h % P)

    def __neg__(self):
        return Point(-self.x % P, self.y, self.z, -self.t % P)

    def __sub__(self, other):
        return self + -other

    def double(self):
        a, b = self.x * self.x % P, self.y * self.y % P
        c = 2 * self.z * self.z % P
        h = a + b
        e = h - (self.x + self.y) ** 2 % P
        g = a - b
        f = c + g
        return Point(e * f % P, g * h % P, f * g % P, e * h % P)

    def __rmul__(self, scalar):
        table = [IDENTITY, self]
        for _ in range(14):
            table.append(table[-1] + self)
        out = IDENTITY
        for digit in scalar.to_bytes(32, "big").hex():
            out = out.double().double().double().double()
            if digit != "0":
                out = out + table[int(digit, 16)]
        return out

    def __eq__(self, other):
        return ((self.x * other.y - self.y * other.x) % P == 0
                or (self.y * other.y - self.x * other.x) % P == 0)

    __hash__ = None

    def encode(self):
        u1 = (self.z + self.y) * (self.z - self.y) % P
        u2 = self.x * self.y % P
        _, inv = _sqrt_ratio(1, u1 * u2 * u2)
        den1, den2 = inv * u1 % P, inv * u2 % P
        z_inv = den1 * den2 * self.t % P
        if _negative(self.t * z_inv):
            x, y = self.y * SQRT_M1 % P, self.x * SQRT_M1 % P
            den = den1 * INVSQRT_A_MINUS_D % P
        else:
            x, y, den = self.x, self.y, den2
        if _negative(x * z_inv):
            y = -y
        return _abs(den * (self.z - y)).to_bytes(32, "little")


IDENTITY = Point(0, 1, 1, 0)


def is_canonical(data):
    """What the bytes alone show: 32 of them, below the prime, even, not zero."""
    value = int.from_bytes(data, "little")
    return len(data) == 32 and 0 < value < P and not value & 1


def decode(data):
    """The point of an encoding; no identity, no other encoding than the canonical one (K-11)."""
    if not is_canonical(data):
        raise Refused("no canonical encoding of an element")
    s = int.from_bytes(data, "little")
    ss = s * s % P
    u1, u2 = (1 - ss) % P, (1 + ss) % P
    u2_sqr = u2 * u2 % P
    v = (-D * u1 * u1 - u2_sqr) % P
    square, inv = _sqrt_ratio(1, v * u2_sqr)
    den_x = inv * u2 % P
    den_y = inv * den_x * v % P
    x = _abs(2 * s * den_x)
    y = u1 * den_y % P
    t = x * y % P
    if not square or t & 1 or y == 0:
        raise Refused("no point")
    return Point(x, y, 1, t)


def scalar(data):
    value = int.from_bytes(data, "little")
    if len(data) != 32 or not 0 < value < L:
        raise Refused("no scalar other than zero")
    return value


# The base point of edwards25519 stands for the generator.
_Y = 4 * pow(5, -1, P) % P
_X = _abs(_sqrt_ratio(_Y * _Y - 1, D * _Y * _Y + 1)[1])
GENERATOR = Point(_X, _Y, 1, _X * _Y % P)

# RFC 9496, appendix A.1: the multiples 0 to 15 of the generator.
MULTIPLES = """
0000000000000000000000000000000000000000000000000000000000000000
e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76
6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919
94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259
da80862773358b466ffadfe0b3293ab3d9fd53c5ea6c955358f568322daf6a57
e882b131016b52c1d3337080187cf768423efccbb517bb495ab812c4160ff44e
f64746d3c92b13050ed8d80236a7f0007c3b3f962f5ba793d19a601ebb1df403
44f53520926ec81fbd5a387845beb7df85a96a24ece18738bdcfa6a7822a176d
903293d8f2287ebe10e2374dc1a53e0bc887e592699f02d077d5263cdd55601c
02622ace8f7303a31cafc63f8fc48fdc16e1c8c8d234b2f0d6685282a9076031
20706fd788b2720a1ed2a5dad4952b01f413bcf0e7564de8cdc816689e2db95f
bce83f8ba5dd2fa572864c24ba1810f9522bc6004afe95877ac73241cafdab42
e4549ee16b9aa03099ca208c67adafcafa4c3f3e4e5303de6026e3ca8ff84460
aa52e000df2e16f55fb1032fc33bc42742dad6bd5a8fc0be0167436c5948501f
46376b80f409b29dc2b5f6f0c52591990896e5716f41477cd30085ab7f10301e
e0c418f7c8d9c4cdd7395b93ea124f3ad99021bb681dfc3302a9d99a2e53e64e
""".split()

# RFC 9496, appendix A.2: encodings that are none, some of each reason.
NO_ENCODINGS = """
00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
0100000000000000000000000000000000000000000000000000000000000000
01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371
4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f
""".split()


def self_test():
    point = IDENTITY
    for count, encoding in enumerate(MULTIPLES):
        data = bytes.fromhex(encoding)
        assert point.encode() == data and (count * GENERATOR).encode() == data, count
        if count:
            assert decode(data) == point and decode(data).encode() == data, count
        point = point + GENERATOR
    assert (L * GENERATOR).encode() == bytes(32) and (L * GENERATOR) == IDENTITY
    assert ((L - 1) * GENERATOR) == -GENERATOR
    assert (7 * GENERATOR - 3 * GENERATOR) == 4 * GENERATOR
    for encoding in NO_ENCODINGS + MULTIPLES[:1]:
        try:
            decode(bytes.fromhex(encoding))
        except Refused:
            continue
        raise AssertionError(encoding)


if __name__ == "__main__":
    self_test()
    print("ristretto255: ok")
