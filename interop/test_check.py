"""Damages the vectors in memory and demands that the check fails: a checker that cannot fail is worthless.

Of fields of one kind a sample is damaged; with DAMAGE=all in the environment, every one."""

import contextlib
import copy
import io
import json
import os
import random
import re
import tempfile
import unittest
from pathlib import Path

import check
import encryptor
import ristretto
import session
from faults import Mismatch, Refused

FILES = sorted(check.DEFAULT.glob("*.json"))
SAMPLE = 4
HEX = re.compile(r"(?:[0-9a-f]{2}){3,}\Z")
# Not checked: what is refused stays refused if one digit changes; a length may change and its padding not.
UNCHECKED = re.compile(r"/(refused|malformed)/|/what$|/why$|/at$|^/padded_lengths/buckets/\d+/0$")


def leaves(value, path=""):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}")
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from leaves(item, f"{path}/{at}")
    else:
        yield path, value


def put(content, path, value):
    *front, last = [int(p) if p.isdigit() else p for p in path.split("/")[1:]]
    for part in front:
        content = content[part]
    content[last] = value


def absent(content, place):
    """Whether the place tells the identity of somebody who never is in the channel of a session."""
    if not place.startswith("/identities/"):
        return False
    present = {m for e in content["events"] for m in e.get("members", [e.get("member")])}
    return content["identities"][int(place.split("/")[2])]["member"] not in present


def flipped(text, chance):
    at = chance.randrange(len(text))
    return text[:at] + format(int(text[at], 16) ^ 1 << chance.randrange(4), "x") + text[at + 1:]


def damaged(value, chance):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if value is None:
        return "00" * 32
    if HEX.match(value):
        return flipped(value, chance)
    return value + "x"


def fails(stem, content):
    try:
        check.check_content(stem, content)
    except Exception:
        return True
    return False


class Damage(unittest.TestCase):
    def test_all_files_pass_as_they_are(self):
        self.assertTrue(FILES)
        for path in FILES:
            with self.subTest(path.name):
                self.assertTrue(check.check_file(path))

    def test_each_damaged_field_fails(self):
        for path in FILES:
            content, chance = json.loads(path.read_text()), random.Random(path.name)
            kinds = {}
            for place, value in leaves(content):
                if not UNCHECKED.search(place) and not absent(content, place):
                    kinds.setdefault(re.sub(r"/\d+", "/*", place), []).append((place, value))
            for kind, places in kinds.items():
                if os.environ.get("DAMAGE") != "all" and len(places) > SAMPLE:
                    places = chance.sample(places, SAMPLE)
                for place, value in places:
                    with self.subTest(f"{path.name} {place}"):
                        worse = copy.deepcopy(content)
                        put(worse, place, damaged(value, chance))
                        self.assertTrue(fails(path.stem, worse), "the damage was not seen")

    def test_each_lost_item_of_a_session_fails(self):
        for path in FILES:
            content, chance = json.loads(path.read_text()), random.Random(path.name)
            if "events" not in content:
                continue
            for what in ("subsessions", "operations", "messages"):
                with self.subTest(f"{path.name} {what}"):
                    worse = copy.deepcopy(content)
                    del worse["expect"][what][chance.randrange(len(worse["expect"][what]))]
                    self.assertTrue(fails(path.stem, worse))
            followed = session.Session(content)
            followed.follow(content["events"])
            for at in range(len(content["events"])):
                if chance.random() < 0.15 or os.environ.get("DAMAGE") == "all":
                    with self.subTest(f"{path.name} events/{at}"):
                        worse = copy.deepcopy(content)
                        lost = worse["events"].pop(at)
                        self.assertTrue(fails(path.stem, worse) or self.leaf(followed, lost))

    @staticmethod
    def leaf(followed, event):
        """Whether the event is a message without data that nobody answers: it leaves no trace."""
        if event["event"] != "packet" or event["packet"][2:4] != "02":
            return False
        for subsession in followed.subsessions:
            try:
                message = subsession.open(bytes.fromhex(event["packet"])[2:])
            except Refused:
                continue
            answered = any(message.id in e.message.parents for e in subsession.order)
            return message.kind != encryptor.DATA and not answered
        return False

    def test_what_is_to_be_refused_fails_if_it_is_valid(self):
        for stem, group, field, source in (("frame", "malformed", "packet", ("framed", 0, "packet")),
                                           ("wire", "malformed", "bytes", ("integers", 0, "bytes")),
                                           ("signed", "refused", "body", ("packets", 1, "body"))):
            content = json.loads((check.DEFAULT / f"{stem}.json").read_text())
            with self.subTest(stem):
                content[group][0][field] = content[source[0]][source[1]][source[2]]
                self.assertTrue(fails(stem, content))
        content = json.loads((check.DEFAULT / "messages.json").read_text())
        for suite in content["suites"]:
            worse = copy.deepcopy(content)
            at = content["suites"].index(suite)
            worse["suites"][at]["refused"][0]["packet"] = suite["messages"][0]["packet"]
            self.assertTrue(fails("messages", worse), suite["suite"])


class Command(unittest.TestCase):
    def run_main(self, *arguments):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            code = check.main(list(arguments))
        return code, out.getvalue()

    def test_a_missing_file_is_an_error(self):
        code, out = self.run_main("no-such-file.json")
        self.assertEqual(code, 1)
        self.assertIn("no-such-file.json: FAILED", out)

    def test_an_unknown_file_and_an_empty_folder_are_errors(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(self.run_main(folder)[0], 1)
            Path(folder, "other.json").write_text("{}")
            self.assertEqual(self.run_main(str(Path(folder, "other.json")))[0], 1)

    def test_a_session_of_any_name_is_followed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "any-name.json")
            path.write_text((check.DEFAULT / "session-bd.json").read_text())
            self.assertEqual(self.run_main(str(path))[0], 0)

    def test_an_empty_group_is_an_error(self):
        with self.assertRaises(Mismatch):
            check.check_content("frame", {"framed": [], "malformed": []})


class Examples(unittest.TestCase):
    def test_ristretto(self):
        ristretto.self_test()

    def test_the_vector_on_the_page_of_the_encryptor(self):
        page = (check.DEFAULT.parent / "encryptor.md").read_text()
        example = page[page.index("## A vector"):page.index("# The ratchet")]
        packet = bytes.fromhex("".join(re.findall(r"^    ([0-9a-f]+)$", example, re.M)))
        seeds = {f"m00{i}".encode(): bytes([i, 0]) + b"\7" * 30 for i in range(2)}
        keys = {m: encryptor.signatures.public_key(s) for m, s in seeds.items()}
        box = encryptor.encryptor("aes256gcm+unpadded", b"\1" * 32, b"\2" * 32, keys)
        parents, confirmation = [b"\0\0" + b"\x09" * 30], (b"\xaa" * 32, b"\xbb" * 32)
        message = encryptor.Message(b"m000", 0, parents, confirmation, b"hello")
        self.assertEqual(packet, box.seal(message, seeds[b"m000"], bytes(range(32))))
        self.assertIn(message.id.hex(), example)
        self.assertIn(box.export(b"l", b"c", 16).hex(), example)
        self.assertEqual(message, box.open(packet))


if __name__ == "__main__":
    unittest.main()
