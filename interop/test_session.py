"""Sessions made for the purpose, with what the recorded ones lack: aborts, leaves, races, exclusions.

`World` plays all members. It computes with the modules that the reader uses, so these tests are about the
rules of `session.py` and not about bytes; for those the vectors serve."""

import copy
import random
import unittest

import bd
import check
import cliques
import encryptor
import keys
import order
import packets
import ristretto
import wire
from faults import Mismatch
from signatures import public_key
from test_check import fails

NAME = b"tea"


class World:
    def __init__(self, me, agreement="cliques", encryption="aes256gcm+buckets", seed=1):
        self.me, self.random = me.encode(), random.Random(seed)
        self.agreement = cliques if agreement == "cliques" else bd
        self.suite = f"{self.agreement.NAME}/{encryption}"
        self.seeds = {m: m.ljust(32, b"\0") for m in (b"alice", b"bob", b"carol", b"dave")}
        self.events, self.contributions, self.operations, self.changes, self.given = [], [], [], [], []
        self.channel, self.inside = [], False
        self.parent = self.bytes()
        self.chain = order.start(self.parent)
        self.members, self.state, self.scalars, self.subsession = [], None, {}, None
        self.signing, self.newest, self.sent, self.generation = {}, {}, set(), {}
        self.can_read = False

    def bytes(self, count=32):
        return self.random.randbytes(count)

    # The channel.

    def event(self, kind, **fields):
        if self.inside:
            self.events.append({"at": len(self.events), "event": kind, **fields})

    def enter(self, who):
        who = who.encode()
        self.channel = sorted(self.channel + [who])
        if who == self.me:
            self.inside = True
            self.event("entered", members=[m.decode() for m in self.channel])
        else:
            self.event("member-entered", member=who.decode())

    def leave(self, who):
        who = who.encode()
        self.channel.remove(who)
        if who == self.me:
            self.event("left")
            self.inside = False
            self.changes.append({"members": [], "subsession": None})
        else:
            self.event("member-left", member=who.decode())

    def send(self, author, packet):
        self.event("packet", **{"from": author.decode(), "packet": packet.hex()})
        return order.packet_id(packet, author, self.channel)

    # Operations.

    def signed(self, author, role, about, payload, scalar=None):
        body = packets.Signed(author, role, about, payload).seal(NAME, self.seeds[author])
        packet = packets.frame(packets.OPERATION, body)
        if scalar is not None and author == self.me:
            self.contributions.append({"packet": packet.hex(), "scalar": scalar.to_bytes(32, "little").hex()})
        return packet

    def draw(self):
        return self.random.randrange(1, ristretto.L)

    def propose(self, author, after, latest=True):
        """The operation that a new pI opens, and its packet, not sent yet."""
        author = author.encode()
        if not self.members:
            self.members = [author]
        data = packets.associated(NAME, self.suite, self.parent, self.chain,
                                  sorted(self.newest.values())[:1] if latest else [],
                                  self.members, [m.encode() for m in after])
        return Play(self, author, data)

    def ended(self, play, last, how, succeeded):
        self.chain = order.end(play.data.chain, play.id, last, how)
        self.parent = last
        if self.inside and self.me in (play.data.after if succeeded else play.data.before + play.data.after):
            self.operations.append({"initial": play.id.hex(), "last": last.hex(), "chain": self.chain.hex(),
                                    "succeeded": succeeded})

    def run(self, author, after, **options):
        play = self.propose(author, after, **options)
        play.start()
        while not play.step():
            pass

    # Messages.

    def say(self, author, kind=0, body=b"hello", control=None, box=None):
        author = author.encode()
        box = box or self.subsession
        confirmation = None if (author, box.subsession) in self.sent else (self.parent, self.chain)
        self.sent.add((author, box.subsession))
        parents = sorted(set(self.newest.values()))
        message = encryptor.Message(author, kind, parents, confirmation, body, control is not None)
        generation = None
        if box.suite.startswith("ratchet+"):
            generation = self.generation[author] = self.generation.get(author, -1) + 1
        packet = box.seal(message, control or self.signing[author], self.bytes(), generation)
        self.newest = {author: message.id}
        self.send(author, packets.frame(packets.MESSAGE, packet))
        if kind == 0 and self.inside and self.can_read:
            self.given.append({"id": message.id.hex(), "author": author.decode(), "body": body.hex()})
        return message

    def file(self, **expect):
        last = self.subsession
        values = {
            "members": [m.decode() for m in self.members], "subsession": last and last.subsession.hex(),
            "chain": self.chain.hex(), "subsessions": self.changes, "operations": self.operations,
            "messages": sorted(self.given, key=lambda m: m["id"]),
            "exporter": {"label": "x", "secret": keys.application_secret(
                last.subsession, self.secret, b"x").hex()} if last else None,
        }
        return copy.deepcopy({
            "what": "made", "session": NAME.decode(), "suite": self.suite, "me": self.me.decode(),
            "identity_seed": self.seeds[self.me].hex(), "contributions": self.contributions,
            "identities": [{"member": m.decode(), "key": public_key(s).hex()} for m, s in self.seeds.items()],
            "events": self.events, "expect": values | expect,
        })


class Play:
    """One operation, played by all its members."""

    def __init__(self, world, author, data):
        self.world, self.author, self.data = world, author, data
        self.factors = {m: world.draw() for m in data.after}
        self.seeds = {m: world.bytes() for m in data.after}
        self.scalars = {m: world.scalars.get(m, 1) if m in data.before else 1 for m in data.after}
        base = wire.option(world.state and world.state.base)
        if world.agreement is cliques:
            for m in [author] + data.join:
                self.scalars[m] = self.scalars[m] * self.factors[m] % ristretto.L
            payload = base + self.cliques_flow(None, 0)
        else:
            self.scalars = self.factors
            payload = base + self.hello(author)
        self.packet = world.signed(author, packets.INITIAL, data, payload, self.factors[author])

    def hello(self, member):
        return (self.factors[member] * ristretto.GENERATOR).encode() + public_key(self.seeds[member])

    def cliques_flow(self, operation, turn):
        """The body of that turn; the first is made with an operation that no packet has opened yet."""
        data, nonce = self.data, self.world.bytes()
        if operation is None:
            operation = object.__new__(cliques.Operation)
            operation.data, operation.author, operation.id = data, self.author, None
            operation.before, operation.after = self.world.state, data.after
            operation.members, operation.contributors = data.stay + data.join, [self.author] + data.join
            operation.base = self.world.state and self.world.state.base
            operation.nonces, operation.flows, operation.statements = [], [], {}
        member = operation.contributors[turn]
        elements = operation.elements(turn, self.factors[member], self.scalars[member])
        last = turn == len(operation.contributors) - 1
        if not last:
            return cliques.encode_body(cliques.UPFLOW, nonce, elements, None)
        trial = copy.copy(operation)
        trial.nonces, trial.flows = operation.nonces + [nonce], operation.flows + [elements]
        return cliques.encode_body(cliques.DOWNFLOW, nonce, elements, self.statement(trial, member))

    def statement(self, operation, member):
        transcript, key = operation.transcript(), public_key(self.seeds[member])
        slot = operation.flows[-1][operation.members.index(member)]
        computed = (self.scalars[member] * ristretto.decode(slot)).encode()
        mac = keys.mac(keys.confirmation_key(transcript, computed), transcript, member, key)
        return cliques.Statement(transcript, key, mac)

    def start(self):
        self.id = self.world.send(self.author, self.packet)
        signed = packets.open_signed(self.packet[2:], NAME, self.author,
                                     {self.author: public_key(self.world.seeds[self.author])})
        self.operation = self.world.agreement.Operation(signed, self.id, self.world.state)
        self.last = self.id

    def step(self):
        """Sends the next packet; true once the operation has succeeded."""
        operation = self.operation
        if operation.done:
            self.succeed()
            return True
        scalar = None
        if self.world.agreement is cliques:
            turn = len(operation.flows)
            if turn < len(operation.contributors):
                member = operation.contributors[turn]
                payload, scalar = self.cliques_flow(operation, turn), self.factors[member]
            else:
                member = next(m for m in operation.members if m not in operation.statements)
                statement = self.statement(operation, member)
                payload = cliques.encode_body(cliques.CONFIRMATION, None, None, statement)
        else:
            left = [m for m in operation.members if m not in operation.hellos]
            member = left[0] if left else next(m for m in operation.members if m not in operation.links)
            if left:
                payload, scalar = b"\0" + self.hello(member), self.factors[member]
            else:
                payload = (b"\1" + wire.option(operation.difference(member, self.factors[member]))
                           + operation.transcript() + operation.confirmation(member, self.factors[member]))
        packet = self.world.signed(member, packets.LATER, self.id, payload, scalar)
        self.last = self.world.send(member, packet)
        operation.receive(packets.Signed(member, packets.LATER, self.id, payload))
        return False

    def succeed(self):
        world, data = self.world, self.data
        made = self.operation.finish(data.after[0], self.scalars[data.after[0]])
        world.state, world.scalars = self.operation.state(), self.scalars
        world.members, world.secret, world.generation = data.after, made.secret, {}
        world.signing = {**world.signing, **{
            m: s for m, s in self.seeds.items() if made.verifying_keys[m] == public_key(s)}}
        world.ended(self, self.last, "both" if self.operation.one_packet else "final", True)
        world.subsession = encryptor.encryptor(
            world.suite.partition("/")[2], made.subsession, made.secret, made.verifying_keys)
        world.newest = {}
        world.can_read = world.me in data.after
        if world.inside and world.can_read:
            world.changes.append({"members": [m.decode() for m in data.after],
                                  "subsession": made.subsession.hex()})

    def abort(self, who):
        packet = self.world.signed(who.encode(), packets.ABORT, self.id, b"")
        self.world.ended(self, self.world.send(who.encode(), packet), "abort", False)

    def left(self, who):
        self.world.leave(who)
        self.world.ended(self, order.leave_id(self.id, who.encode(), self.world.channel), "leave", False)


ENCRYPTORS = ("aes256gcm+unpadded", "ratchet+chacha20poly1305+buckets")
KINDS = [(a, e) for a in ("cliques", "bd") for e in ENCRYPTORS]


class Sessions(unittest.TestCase):
    def each(self, me):
        for agreement, encryption in KINDS:
            with self.subTest(f"{agreement} {encryption}"):
                yield World(me, agreement, encryption)

    def passes(self, file):
        return dict(check.check_content("made", file))

    def opened(self, world, members=("alice", "bob", "carol")):
        for member in members:
            world.enter(member)
        world.run("alice", members)
        for member in members:
            world.say(member, body=member.encode())

    def test_a_founder_and_a_refresh(self):
        for world in self.each("alice"):
            self.opened(world)
            world.run("bob", ["alice", "bob", "carol"])
            world.say("bob")
            world.say("alice")
            self.passes(world.file())

    def test_an_aborted_operation_and_a_confirmation_after_it(self):
        for world in self.each("bob"):
            self.opened(world)
            world.enter("dave")
            play = world.propose("alice", ["alice", "bob", "carol", "dave"])
            play.start()
            play.step()
            play.abort("carol")
            world.send(b"bob", world.signed(b"bob", packets.ABORT, play.id, b""))
            world.say("carol")
            world.run("bob", ["alice", "bob", "dave"])
            world.say("dave")
            file = world.file()
            self.assertEqual(self.passes(file)["operations that failed"], 1)
            file["expect"]["operations"][1]["succeeded"] = True
            self.assertTrue(fails("made", file))

    def test_a_leave_during_an_operation(self):
        for world in self.each("bob"):
            self.opened(world)
            world.enter("dave")
            play = world.propose("bob", ["alice", "bob", "carol", "dave"])
            play.start()
            play.step()
            play.left("dave")
            world.say("bob")
            world.run("alice", ["alice", "bob"])
            world.say("alice")
            self.assertEqual(self.passes(world.file())["operations that failed"], 1)

    def test_a_race_that_we_lose(self):
        for world in self.each("bob"):
            self.opened(world)
            ours = world.propose("bob", ["alice", "bob", "carol"])
            theirs = world.propose("carol", ["alice", "bob", "carol"])
            theirs.start()
            world.send(b"bob", ours.packet)
            while not theirs.step():
                pass
            world.say("bob")
            self.assertEqual(self.passes(world.file())["packets that do not count"], 1)

    def test_everyone_must_be_present(self):
        for world in self.each("bob"):
            self.opened(world)
            play = world.propose("alice", ["alice", "bob", "carol", "dave"])
            world.send(b"alice", play.packet)
            world.enter("dave")
            world.run("carol", ["alice", "bob", "carol", "dave"])
            self.passes(world.file())

    def test_the_others_are_excluded(self):
        for world in self.each("bob"):
            self.opened(world)
            world.leave("carol")
            world.leave("alice")
            world.run("bob", ["bob"])
            self.passes(world.file())
            world.enter("dave")
            world.run("bob", ["bob", "dave"])
            world.say("dave")
            self.passes(world.file())

    def test_we_are_excluded_leave_and_come_back(self):
        for world in self.each("bob"):
            self.opened(world)
            world.run("alice", ["alice", "carol"])
            world.say("alice")
            self.passes(self.outside(world))
            world.leave("bob")
            world.say("carol")
            world.enter("bob")
            world.run("carol", ["alice", "bob", "carol"])
            world.say("bob")
            world.say("alice")
            self.passes(world.file())

    def outside(self, world):
        """The file of now, had the member left in the end."""
        file = world.file(members=[], subsession=None, chain=None, exporter={"label": "x", "secret": None})
        file["expect"]["subsessions"].append({"members": [], "subsession": None})
        file["events"].append({"at": 0, "event": "left"})
        return file

    def test_excluded_and_included_again_without_leaving(self):
        for world in self.each("bob"):
            self.opened(world)
            world.run("alice", ["alice", "carol"])
            world.run("carol", ["alice", "bob", "carol"])
            world.say("bob")
            self.passes(world.file())

    def test_an_exclusion_of_us_that_is_aborted(self):
        world = World("bob", "bd")
        self.opened(world)
        play = world.propose("alice", ["alice", "carol"])
        play.start()
        play.step()
        play.abort("bob")
        world.say("bob")
        world.run("bob", ["alice", "bob", "carol"])
        world.say("bob")
        self.passes(world.file())

    def test_who_waits_outside_ignores_what_is_not_for_it(self):
        for world in self.each("dave"):
            for member in ("alice", "bob", "carol"):
                world.enter(member)
            world.run("alice", ["alice", "bob", "carol"])
            world.enter("dave")
            world.say("carol")
            lost = world.propose("bob", ["alice", "bob", "carol", "dave"])
            world.run("alice", ["alice", "bob", "carol"])
            world.send(b"bob", lost.packet)
            world.say("alice")
            world.run("bob", ["alice", "bob", "carol", "dave"])
            world.say("dave")
            world.say("bob")
            self.passes(world.file())

    def test_a_joiner_sees_its_first_operation_aborted(self):
        for world in self.each("dave"):
            for member in ("alice", "bob", "dave"):
                world.enter(member)
            world.run("alice", ["alice", "bob"])
            play = world.propose("alice", ["alice", "bob", "dave"])
            play.start()
            play.step()
            play.abort("bob")
            world.run("bob", ["alice", "bob", "dave"])
            world.say("alice")
            world.say("dave")
            self.passes(world.file())

    def test_a_message_of_the_subsession_before_comes_late(self):
        for world in self.each("bob"):
            self.opened(world)
            before = world.subsession, dict(world.newest), dict(world.generation), dict(world.signing)
            world.run("alice", ["alice", "bob", "carol"])
            now = dict(world.newest), dict(world.generation), dict(world.signing)
            world.newest, world.generation, world.signing = before[1:]
            world.say("carol", box=before[0], body=b"late")
            world.newest, world.generation, world.signing = now
            world.say("alice")
            self.passes(world.file())

    def test_children_may_come_before_parents(self):
        for world in self.each("bob"):
            self.opened(world)
            world.say("alice", body=b"first")
            world.say("carol", body=b"second")
            file = world.file()
            file["events"][-2:] = reversed(file["events"][-2:])
            self.passes(file)
            file["events"].pop()
            self.assertTrue(fails("made", file))

    def parted(self, world, control=True):
        self.opened(world)
        old, new = world.signing[b"carol"], world.bytes()
        world.say("carol", kind=encryptor.FINISH, body=public_key(new))
        world.say("alice", kind=encryptor.ACKNOWLEDGED, body=b"")
        world.say("bob", kind=encryptor.ACKNOWLEDGED, body=b"")
        world.say("carol", kind=encryptor.PUBLICATION, body=old, control=new if control else None)
        return old, new

    def test_a_parting_with_a_published_key(self):
        for world in self.each("bob"):
            self.parted(world)
            world.leave("carol")
            world.run("bob", ["alice", "bob"])
            world.say("alice")
            self.assertEqual(self.passes(world.file())["published keys"], 1)

    def test_bad_partings_fail(self):
        world = World("bob")
        self.parted(world, control=False)
        with self.assertRaisesRegex(Mismatch, "A-15"):
            self.passes(world.file())
        for damage, reason in ((dict(kind=encryptor.ACKNOWLEDGED, body=b""), "A-15"), (dict(), "A-15")):
            world = World("bob")
            self.parted(world)
            world.say("carol", **damage)
            with self.assertRaisesRegex(Mismatch, reason):
                self.passes(world.file())
        world = World("bob")
        self.opened(world)
        world.say("carol", kind=encryptor.FINISH, body=b"")
        world.say("carol")
        with self.assertRaisesRegex(Mismatch, "after a finish"):
            self.passes(world.file())

    def test_another_history_fails(self):
        world = World("bob")
        for member in ("alice", "bob", "carol"):
            world.enter(member)
        world.run("alice", ["alice", "bob", "carol"])
        world.chain = world.bytes()
        world.say("alice")
        with self.assertRaisesRegex(Mismatch, "O-10"):
            self.passes(world.file())

    def test_an_author_that_branches_fails(self):
        world = World("bob")
        self.opened(world)
        before = dict(world.newest)
        world.say("alice", body=b"one")
        world.newest = before
        world.say("alice", body=b"two")
        with self.assertRaisesRegex(Mismatch, "G-3"):
            self.passes(world.file())


if __name__ == "__main__":
    unittest.main()
