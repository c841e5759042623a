"""The two ways in which a check ends badly."""


class Refused(Exception):
    """The input breaks a rule; a program that follows the specification does not take it."""


class Mismatch(Exception):
    """A vector says one thing and this reader another."""

    def __init__(self, where, expected, got):
        super().__init__(f"{where}: expected {show(expected)}, got {show(got)}")


def show(value):
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex() or "(no bytes)"
    return repr(value)


def equal(where, expected, got):
    if expected != got:
        raise Mismatch(where, expected, got)


def refused(where, why, call):
    """Demands that the call refuses its input."""
    try:
        got = call()
    except Refused:
        return
    raise Mismatch(where, f"refused ({why})", got)
