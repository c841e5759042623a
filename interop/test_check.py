"""A checker that cannot fail is worth nothing: each value of each vector is damaged, and the check must notice."""

import copy
import json
import random
import unittest

import check

# What nothing depends on: lines for people, and the time of an event.
IDLE = {"what", "why", "at"}


def is_hex(text):
    return len(text) >= 2 and len(text) % 2 == 0 and all(digit in "0123456789abcdef" for digit in text)


def leaves(value, path=()):
    """The values that a file consists of, by where they stand."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in IDLE:
                yield from leaves(inner, path + (key,))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from leaves(inner, path + (at,))
    elif value is not None:
        yield path, value


def damaged(file, path, value):
    """The same file with another value there."""
    file = copy.deepcopy(file)
    place = file
    for key in path[:-1]:
        place = place[key]
    if isinstance(value, bool):
        place[path[-1]] = not value
    elif isinstance(value, int):
        place[path[-1]] = value + 1
    elif is_hex(value):
        place[path[-1]] = value[:-1] + ("0" if value[-1] != "0" else "1")
    else:
        place[path[-1]] = value + "x"
    return file


def fails(title, file):
    try:
        check.check(title, file)
    except (check.Failed, KeyError, ValueError, *check.ERRORS):
        return True
    return False


class Damage(unittest.TestCase):
    def files(self):
        for path in check.files_of([]):
            yield path.name, json.loads(path.read_text())

    def test_the_values_of_the_small_files_matter(self):
        dice = random.Random(5)
        for title, file in self.files():
            if "events" in file:
                continue
            # Entries that are to be refused stay so when they are damaged further, and two lengths can be padded alike.
            matters = [(path, value) for path, value in leaves(file)
                       if not {"malformed", "refused", "padded_lengths"} & set(path)]
            for path, value in dice.sample(matters, min(len(matters), 80)):
                with self.subTest(file=title, path=path):
                    self.assertTrue(fails(title, damaged(file, path, value)), "nobody noticed")

    def test_what_is_to_be_refused_is_checked(self):
        for title, file in self.files():
            for path, entries in ((("malformed",), file.get("malformed")), (("refused",), file.get("refused"))):
                if not entries:
                    continue
                good = copy.deepcopy(file)
                if title == "wire.json":
                    good["malformed"][0] = {"type": "integer", "bytes": "01", "why": "is fine"}
                elif title == "frame.json":
                    good["malformed"][0] = {"packet": "0101", "why": "is fine"}
                else:
                    good["refused"][0] = {"body": file["packets"][0]["body"], "from": "alice", "session": "tea",
                                          "why": "is fine"}
                with self.subTest(file=title, path=path):
                    self.assertTrue(fails(title, good), "what is good passes for refused")

    def test_what_a_recorded_session_says_matters(self):
        dice = random.Random(7)
        for title, file in self.files():
            if "events" not in file:
                continue
            everything = list(leaves(file))
            told = [leaf for leaf in everything if leaf[0][0] in ("expect", "session", "suite", "me")]
            start = next(at for at, entry in enumerate(file["events"]) if entry.get("from") == file["me"])
            # From its first packet on it is, or becomes, a member: all that it is shown concerns it.
            shown = [leaf for leaf in everything
                     if leaf[0][0] == "events" and leaf[0][1] >= start and leaf[0][2] == "packet"]
            for path, value in told + dice.sample(shown, 20):
                with self.subTest(file=title, path=path):
                    self.assertTrue(fails(title, damaged(file, path, value)), "nobody noticed")

    def test_missing_files_and_unknown_ones_are_errors(self):
        self.assertTrue(fails("other.json", {}))
        with self.assertRaises(SystemExit):
            list(check.files_of([check.DEFAULT.parent]))


if __name__ == "__main__":
    unittest.main()
