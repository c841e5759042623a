"""A recorded session, followed as one member from the first event to the last."""

import bd
import cliques
import encryptor
import keys
import order
import packets
import ristretto
from cliques import Failure
from faults import Mismatch, Refused, equal
from signatures import public_key
from subsession import ParentsMissing, Subsession

AGREEMENTS = {cliques.NAME: cliques, bd.NAME: bd}


class Running:
    """An operation that was accepted and has not ended."""

    def __init__(self, signed, packet_id, operation):
        self.data, self.id, self.operation = signed.about, packet_id, operation
        self.factor = None


class Session:
    def __init__(self, file):
        self.me, self.name, self.suite = file["me"].encode(), file["session"].encode(), file["suite"]
        self.identities = {i["member"].encode(): bytes.fromhex(i["key"]) for i in file["identities"]}
        self.seed = bytes.fromhex(file["identity_seed"])
        self.agreement = AGREEMENTS[self.suite.partition("/")[0]]
        self.drawn = {bytes.fromhex(c["packet"]): ristretto.scalar(bytes.fromhex(c["scalar"]))
                      for c in file["contributions"]}
        equal("contributions, each of another packet", len(file["contributions"]), len(self.drawn))
        self.channel, self.given, self.operations, self.changes = None, [], [], []
        self.unread, self.excused, self.counts = [], set(), {}
        self.at = 0
        self.served, self.ever = set(), set()
        self._forget()

    def _forget(self):
        """Out of the channel: the state of the session is erased (T-3)."""
        self._judge_unread()
        self.members = self.parent = self.chain = self.running = self.state = None
        self.scalar = 1
        self.remembered, self.subsessions, self.retired, self.history = set(), [], set(), []
        self.strangers, self.perhaps_excluded = set(), False

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    # Events.

    def follow(self, events):
        for self.at, event in enumerate(events):
            kind = event["event"]
            if kind == "entered":
                self._forget()
                self.channel = {m.encode() for m in event["members"]}
                self.ever |= self.channel
                equal(self.where("we are in"), True, self.me in self.channel)
            elif kind == "left":
                self._left()
            elif kind == "member-entered":
                self.channel.add(event["member"].encode())
                self.ever |= self.channel
            elif kind == "member-left":
                self._member_left(event["member"].encode())
            elif kind == "packet":
                self._packet(event["from"].encode(), bytes.fromhex(event["packet"]))
            else:
                raise Mismatch(self.where("the event"), "a known event", kind)
            self.count("events")
        self._judge_unread()

    def where(self, what):
        return f"events[{self.at}] {what}"

    def _left(self):
        if self.members:
            self.changes.append(([], None))
        self.channel = None
        self._forget()

    def _member_left(self, who):
        self.channel.discard(who)
        if self.running and who in self.running.data.after:
            last = order.leave_id(self.running.id, who, self.channel)
            self._fail(last, "leave")

    def _packet(self, sender, packet):
        if self.channel is None:
            raise Mismatch(self.where("the packet"), "none while we are out", sender)
        equal(self.where("a sender that is or was in the channel"), True, sender in self.ever)
        packet_id = order.packet_id(packet, sender, self.channel)
        try:
            kind, body = packets.unframe(packet)
        except Refused:
            self.count("packets skipped")
            return
        if kind == packets.MESSAGE:
            self.unread.append((self.at, sender, body))
            self._read(new=True)
        elif kind == packets.OPERATION:
            try:
                signed = packets.open_signed(body, self.name, sender, self.identities)
            except Refused as why:
                if sender == self.me:
                    raise Mismatch(self.where("our own packet"), "an authentic one", str(why)) from why
                self.count("packets that do not count")
                return
            try:
                self._operation(signed, packet_id, packet)
            except Refused:
                self.count("packets that do not count")

    # Operations.

    def _operation(self, signed, packet_id, packet):
        if signed.author == self.me:
            self._check_own(signed, packet)
        if signed.role == packets.INITIAL:
            self._initial(signed, packet_id, packet)
        elif not self.running or signed.about != self.running.id:
            self.count("packets of no running operation")
        elif signed.role == packets.ABORT:
            if signed.author not in set(self.running.data.before) | set(self.running.data.after):
                raise Refused("an abort by no member")
            self._fail(packet_id, "abort")
        elif self.running.operation:
            self.running.operation.receive(signed)
            self.count("packets of operations")
            if signed.author == self.me:
                self._check_made(signed, packet)
            self._finish(packet_id)

    def _check_own(self, signed, packet):
        made = packets.Signed(signed.author, signed.role, signed.about, signed.payload)
        equal(self.where("our packet made again"), packet,
              packets.frame(packets.OPERATION, made.seal(self.name, self.seed)))

    def _initial(self, signed, packet_id, packet):
        data = signed.about
        if data.suite != self.suite:
            raise Refused("another suite")
        if not set(data.after) <= self.channel:
            raise Refused("not everyone is present (O-6)")
        self.agreement.Operation(signed, packet_id)
        free = not self.running or self._excluding()
        alone = self.members == [self.me] and (len(data.before) > 1 or signed.author < self.me)
        if self.members is None and not self.running:
            self._waiting(signed, packet_id, packet)
        elif self.members and free and self.me in data.include and (self.perhaps_excluded or alone):
            self._adopt(signed, packet_id, packet)
        elif not free or self.running:
            if self._excluding() and self.me not in data.after:
                self.remembered.add(data.parent)
            raise Refused("an operation is running (O-4)")
        elif (data.parent, data.chain, data.before) != (self.parent, self.chain, self.members):
            raise Refused("another parent, chain or members before (O-4)")
        else:
            self._accept(signed, packet_id, packet, self.state)

    def _excluding(self):
        """Whether the running operation excludes us: we cannot see that it succeeds (T-10)."""
        return self.running is not None and self.me not in self.running.data.after

    def _waiting(self, signed, packet_id, packet):
        """We are in the channel and not in step (O-7, O-8)."""
        data = signed.about
        if signed.author == self.me:
            equal(self.where("members before our founding"), [self.me], data.before)
            equal(self.where("chain hash of our founding"), order.start(data.parent), data.chain)
            self.members, self.parent, self.chain = [self.me], data.parent, data.chain
            self.history = [(data.parent, data.chain)]
            self._accept(signed, packet_id, packet, None)
        elif data.parent in self.remembered:
            raise Refused("a parent of which we know another initial packet (O-7)")
        elif self.me not in data.include:
            self.remembered.add(data.parent)
            raise Refused("not for us (O-7)")
        else:
            self._accept(signed, packet_id, packet, None)

    def _adopt(self, signed, packet_id, packet):
        """A pI that takes us out of the session in which we are excluded or alone (T-10, T-17)."""
        if signed.about.parent in self.remembered:
            raise Refused("a parent of which we know another initial packet (O-7)")
        self.members = self.running = self.state = self.parent = self.chain = None
        self.scalar = 1
        self._accept(signed, packet_id, packet, None)

    def _accept(self, signed, packet_id, packet, state):
        operation = None
        if self.me in signed.about.after:
            operation = self.agreement.Operation(signed, packet_id, state)
            if state and operation.base != state.base:
                raise Mismatch(self.where("base"), state.base, operation.base)
        self.running = Running(signed, packet_id, operation)
        self.perhaps_excluded = operation is None
        if self.perhaps_excluded:
            self.remembered.add(signed.about.parent)
        self.count("packets of operations")
        if not operation:
            return
        if signed.author == self.me:
            self._check_made(signed, packet)
        self._finish(packet_id)

    def _check_made(self, signed, packet):
        """A packet of ours that counts holds what our contributions give."""
        running, operation = self.running, self.running.operation
        flows = operation.contributors if self.agreement is cliques else [self.me]
        contributes = self.me in flows and running.factor is None
        equal(self.where("a contribution for our packet"), contributes, packet in self.drawn)
        if contributes:
            self.served.add(packet)
            running.factor = self.drawn[packet]
        if self.agreement is cliques:
            if contributes:
                turn = operation.contributors.index(self.me)
                scalar = self.scalar * running.factor % ristretto.L
                equal(self.where("elements of our packet"), operation.elements(turn, running.factor, scalar),
                      operation.flows[turn])
            return
        point = (running.factor * ristretto.GENERATOR).encode()
        equal(self.where("our point"), operation.hellos[self.me][0], point)
        if self.me in operation.links:
            difference, transcript, mac = operation.links[self.me]
            equal(self.where("our difference"), operation.difference(self.me, running.factor), difference)
            equal(self.where("our transcript hash"), operation.transcript(), transcript)
            equal(self.where("our MAC"), operation.confirmation(self.me, running.factor), mac)

    def _finish(self, packet_id):
        running, operation = self.running, self.running.operation
        if not operation.done:
            return
        data = running.data
        if self.agreement is cliques:
            factor = 1 if running.factor is None else running.factor
            needs = self.me in operation.contributors
            scalar = self.scalar * factor % ristretto.L
        else:
            needs, scalar = True, running.factor
        if needs and running.factor is None:
            raise Mismatch(self.where("the operation"), "a contribution of ours", None)
        try:
            made = operation.finish(self.me, scalar)
        except Failure as why:
            raise Mismatch(self.where("the operation"), "success", str(why)) from why
        how = "both" if operation.one_packet else "final"
        joined = self.me in data.include
        chain = order.end(data.chain, running.id, packet_id, how)
        self._ended(running, packet_id, chain, True)
        self.count("operations")
        if joined:
            self.strangers = set(data.before) if len(data.before) > 1 else set()
        self.members, self.parent, self.chain, self.running = operation.after, packet_id, chain, None
        self.scalar, self.state = scalar, operation.state()
        confirmable = [(packet_id, chain)]
        self.history = confirmable
        self.changes.append((self.members, made.subsession))
        if not joined:
            self._check_latest(data.latest)
        self.subsessions.append(Subsession(self.suite.partition("/")[2], made, confirmable))
        self._read()

    def _check_latest(self, latest):
        known = self.subsessions[-1].entries if self.subsessions else {}
        equal(self.where("latest messages that the initial packet names and we do not know"), [],
              [m.hex() for m in latest if m not in known])

    def _ended(self, running, last, chain, succeeded):
        self.operations.append({"initial": running.id.hex(), "last": last.hex(), "chain": chain.hex(),
                                "succeeded": succeeded})

    def _fail(self, last, how):
        running, self.running = self.running, None
        chain = order.end(running.data.chain, running.id, last, how)
        joining = self.members is None
        self._ended(running, last, chain, False)
        self.count("operations that failed")
        if joining:
            self.remembered.add(running.data.parent)
            return
        self.parent, self.chain = last, chain
        self.history.append((last, chain))

    # Messages.

    def _read(self, new=False):
        """Tries what waits, newest subsession first, until nothing moves any more (M-2)."""
        moved = True
        while moved and self.unread:
            moved = False
            for item in list(self.unread[-1:] if new else self.unread):
                taken = self._try(item)
                if taken is not None:
                    self.unread.remove(item)
                    moved = moved or taken
            new = new and not moved

    def _try(self, item):
        """True if the message was taken, False if it was known, None if it waits."""
        at, sender, body = item
        for subsession in reversed(self.subsessions):
            try:
                message = subsession.open(body)
            except (encryptor.NotDecryptable, encryptor.NotYet):
                continue
            except Refused as why:
                raise Mismatch(f"events[{at}] message", "one that opens", str(why)) from why
            try:
                taken = subsession.take(message, self.retired)
            except ParentsMissing:
                return None
            except Refused as why:
                raise Mismatch(f"events[{at}] message of {message.author.decode()}", "one that is taken",
                               str(why)) from why
            if subsession is self.subsessions[-1]:
                self.strangers.discard(sender)
            if taken:
                self.count("messages")
                if message.control:
                    self.count("messages signed with a control key")
                if message.kind == encryptor.PUBLICATION:
                    self.count("published keys")
                if message.confirmation:
                    self.count("chain confirmations")
                if message.kind == encryptor.DATA:
                    self.given.append(message)
            return taken
        outside = self.members in (None, [self.me]) or self.perhaps_excluded or sender in self.strangers
        if at == self.at and (outside or not any(sender in s.members for s in self.subsessions)):
            self.excused.add(body)
        return None

    def _judge_unread(self):
        """What came while we could read must have been read in the end."""
        for at, sender, body in self.unread:
            if body not in self.excused:
                raise Mismatch(f"events[{at}] message from {sender.decode()}",
                               "one that opens, parents known", "one that still waits")
        if self.unread:
            self.counts["packets that are not for us"] = (
                self.counts.get("packets that are not for us", 0) + len(self.unread))
        self.unread = []

    # The end.

    def compare(self, expect):
        unknown = set(expect) - {"members", "subsession", "chain", "subsessions", "operations", "messages",
                                 "exporter"}
        equal("fields of expect that nobody checks", set(), unknown)
        equal("expect.members", expect["members"], names(self.members or []))
        current = self.subsessions[-1] if self.members and self.subsessions else None
        equal("expect.subsession", expect["subsession"], current and current.id.hex())
        equal("expect.chain", expect["chain"], self.chain and self.chain.hex())
        equal_lists("expect.subsessions", expect["subsessions"],
                    [{"members": names(m), "subsession": s and s.hex()} for m, s in self.changes])
        equal_lists("expect.operations", expect["operations"], self.operations)
        given = [{"id": m.id.hex(), "author": m.author.decode(), "body": m.body.hex()} for m in self.given]
        equal_lists("expect.messages", expect["messages"], sorted(given, key=lambda m: m["id"]))
        label = expect["exporter"]["label"].encode()
        secret = current and keys.application_secret(current.id, current.secret, label).hex()
        equal("expect.exporter", expect["exporter"]["secret"], secret)


def names(members):
    return [m.decode() for m in members]


def equal_lists(where, expected, got):
    for at, (one, other) in enumerate(zip(expected, got)):
        equal(f"{where}[{at}]", one, other)
    equal(f"length of {where}", len(expected), len(got))


def check_session(file):
    session = Session(file)
    equal("identity_seed", session.identities.get(session.me), public_key(session.seed))
    session.follow(file["events"])
    session.compare(file["expect"])
    carried = {bytes.fromhex(e["packet"]) for e in file["events"] if e["event"] == "packet"}
    for packet in session.drawn:
        if packet in session.served or packet in carried:
            continue
        kind, body = packets.unframe(packet)
        equal("kind of a packet with a contribution", packets.OPERATION, kind)
        packets.open_signed(body, session.name, session.me, session.identities)
    yield from sorted(session.counts.items())
