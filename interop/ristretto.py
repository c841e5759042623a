"""ristretto255 (RFC 9496): decoding, encoding, and the group, on extended coordinates of Curve25519's Edwards form."""

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT = pow(2, (P - 1) // 4, P)  # a square root of -1


class NoPoint(Exception):
    """The bytes are the encoding of no element."""


def sqrt_ratio(u, v):
    """SQRT_RATIO_M1 of RFC 9496, 4.2."""
    u, v = u % P, v % P
    r = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * r * r % P
    correct, flipped, flipped_root = check == u, check == -u % P, check == -u * ROOT % P
    if flipped or flipped_root:
        r = r * ROOT % P
    return correct or flipped, magnitude(r)


def magnitude(x):
    return -x % P if x % 2 else x


ONE_OVER_ROOT_A_MINUS_D = sqrt_ratio(1, -1 - D)[1]


class Point:
    """An element of the group."""

    def __init__(self, x, y, z=1, t=None):
        self.x, self.y, self.z = x % P, y % P, z % P
        self.t = (x * y % P if t is None else t) % P

    @staticmethod
    def decode(data):
        s = int.from_bytes(data, "little")
        if len(data) != 32 or s >= P or s % 2:
            raise NoPoint("not a canonical encoding")
        ss = s * s % P
        u1, u2 = (1 - ss) % P, (1 + ss) % P
        v = (-(D * u1 * u1) - u2 * u2) % P
        square, inverse = sqrt_ratio(1, v * u2 * u2)
        den_x, den_y = inverse * u2 % P, inverse * inverse * u2 * v % P
        x = magnitude(2 * s * den_x % P)
        y = u1 * den_y % P
        if not square or x * y % P % 2 or y == 0:
            raise NoPoint("no element")
        return Point(x, y)

    def encode(self):
        u1 = (self.z + self.y) * (self.z - self.y) % P
        u2 = self.x * self.y % P
        _, inverse = sqrt_ratio(1, u1 * u2 * u2)
        den1, den2 = inverse * u1 % P, inverse * u2 % P
        z_inverse = den1 * den2 * self.t % P
        x, y, den = self.x, self.y, den2
        if self.t * z_inverse % P % 2:
            x, y, den = self.y * ROOT % P, self.x * ROOT % P, den1 * ONE_OVER_ROOT_A_MINUS_D % P
        if x * z_inverse % P % 2:
            y = -y % P
        return magnitude(den * (self.z - y) % P).to_bytes(32, "little")

    def __add__(self, other):
        a = (self.y - self.x) * (other.y - other.x)
        b = (self.y + self.x) * (other.y + other.x)
        c = 2 * D * self.t * other.t
        d = 2 * self.z * other.z
        e, f, g, h = b - a, d - c, d + c, b + a
        return Point(e * f, g * h, f * g, e * h)

    def __neg__(self):
        return Point(-self.x, self.y, self.z, -self.t)

    def __sub__(self, other):
        return self + -other

    def __rmul__(self, scalar):
        result, power = IDENTITY, self
        while scalar:
            if scalar & 1:
                result = result + power
            power, scalar = power + power, scalar >> 1
        return result

    def __eq__(self, other):
        return self.encode() == other.encode()


IDENTITY = Point(0, 1)
_Y = 4 * pow(5, -1, P) % P
_X = magnitude(sqrt_ratio(_Y * _Y - 1, D * _Y * _Y + 1)[1])
BASE = Point(_X, _Y)


def scalar(data):
    number = int.from_bytes(data, "little")
    if not 0 < number < ORDER:
        raise NoPoint("no scalar")
    return number
