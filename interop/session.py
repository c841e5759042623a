"""A recorded session, followed as its member from the first event to the last."""

import bd
import cliques
import order
import packets
from encryptor import Encryptor, Unreadable
from hashes import Framed
from packets import Refused

AGREEMENTS = {cliques.SUITE: cliques.Operation, bd.SUITE: bd.Operation}
DATA, PUBLICATION = 0, 5


class Subsession:
    """Members, keys, and the messages so far."""

    def __init__(self, keys, suite):
        self.id, self.members = keys.subsession, sorted(keys.verifying)
        self.encryptor = Encryptor(suite, keys.subsession, keys.secret, keys.verifying)
        self.exporter = Framed("session exporter base").field(keys.subsession).field(keys.secret).out()
        self.seen, self.deferred = set(), []

    def exported(self, label):
        return Framed("session exporter").field(self.exporter).field(label).out()


class Running:
    """The operation that runs: its initial packet, and the part that the member takes in it, if any."""

    def __init__(self, number, data, part):
        self.number, self.data, self.part = number, data, part


class Follower:
    """What a member knows."""

    def __init__(self, session, suite, me, directory, contributions):
        self.session, self.suite, self.me, self.directory = session, suite, me, directory
        self.agreement, self.cipher = suite.split(b"/")
        self.contributions = dict(contributions)
        self.told, self.operations, self.messages = [], [], []
        self.clear()

    def clear(self):
        self.channel = self.members = self.state = self.running = None
        self.head, self.links, self.remembered = None, {}, set()
        self.subsessions, self.waiting, self.claims = [], [], []

    # The channel.

    def event(self, kind, members=(), member=None, sender=None, packet=b""):
        if kind == "entered":
            self.clear()
            self.channel = set(members)
        elif kind == "left":
            if self.members is not None:
                self.told.append((None, []))
            self.clear()
            self.operations = []
        elif kind == "member-entered":
            self.channel.add(member)
        elif kind == "member-left":
            self.channel.discard(member)
            if self.running and member in self.running.data.after:
                last = order.leave_id(self.running.number, member, self.channel)
                self.end(last, "leave")
        elif kind == "packet":
            self.packet(sender, packet)
        else:
            raise ValueError(f"an unknown event: {kind}")

    def packet(self, sender, packet):
        kind, body = packets.unframe(packet)
        if kind == packets.MESSAGE:
            if not self.read(body):
                self.waiting.append((sender, body, self.members is not None))
        elif kind == packets.OPERATION:
            try:
                signed = packets.Signed(body, self.session, sender, self.directory)
            except Refused:
                return
            number = order.packet_id(packet, sender, self.channel)
            signed.packet = packet
            (self.initial, self.later, self.aborted)[signed.role](signed, number)

    # The server order, and the key agreement.

    def drawn(self, signed):
        """What the member drew for a packet of its own."""
        return self.contributions[signed.packet]

    def initial(self, signed, number):
        data = signed.data
        if data.suite != self.suite or not set(data.after) <= self.channel:
            return
        place = (data.parent, data.chain)
        if self.members is not None:
            if self.running or place != self.head or data.before != self.members:
                return
        elif data.before == [self.me] == [signed.author]:
            self.members, self.head = [self.me], place  # The member is the founder of this session.
            self.told.append((None, [self.me]))
            self.links[data.parent] = data.chain
        else:
            if self.running or data.parent in self.remembered:
                return
            self.remembered.add(data.parent)
            if self.me not in data.after or self.me in data.before:
                return
            self.head = place
            self.links[data.parent] = data.chain
        part = None
        if self.me in data.after:
            state = self.state if self.me in data.before else None
            part = AGREEMENTS[self.agreement](self.me, state, signed, number, self.drawn)
        self.running = Running(number, data, part)
        self.finish_if_done(number)

    def later(self, signed, number):
        if self.running and self.running.number == signed.initial and self.running.part:
            self.running.part.receive(signed)
            self.finish_if_done(number)

    def aborted(self, signed, number):
        running = self.running
        if running and running.number == signed.initial:
            if signed.author in running.data.before or signed.author in running.data.after:
                self.end(number, "abort")

    def finish_if_done(self, last):
        part = self.running.part
        result = part.result() if part else None
        if result is None:
            return
        keys, self.state = result
        self.members = self.running.data.after
        self.subsessions.insert(0, Subsession(keys, self.cipher.decode()))
        self.end(last, "both" if last == self.running.number else "final")
        self.told.append((keys.subsession, self.members))
        self.retry()

    def end(self, last, role):
        running, chain = self.running, self.head[1]
        if role != "both":
            chain = order.chain_step(chain, running.number, "initial")
        self.head = (last, order.chain_step(chain, last, role))
        self.links[last] = self.head[1]
        self.operations.append((running.number, last, self.head[1], role in ("both", "final")))
        if role in ("abort", "leave") and self.me not in running.data.before:
            self.remembered.add(running.data.parent)
        self.running = None

    # Messages.

    def retry(self):
        waiting, self.waiting = self.waiting, []
        self.waiting = [entry for entry in waiting if not self.read(entry[1])]

    def read(self, body):
        for subsession in self.subsessions:
            try:
                message = subsession.encryptor.open(body)
            except Unreadable:
                continue
            self.insert(subsession, message)
            return True
        return False

    def insert(self, subsession, message):
        if message.id in subsession.seen:
            return
        if not set(message.parents) <= subsession.seen:
            subsession.deferred.append(message)
            return
        subsession.seen.add(message.id)
        named = len(subsession.encryptor.named)
        subsession.encryptor.take(message)
        if message.confirmation:
            self.claims.append((message.author, message.confirmation))
        if message.kind == DATA:
            self.messages.append((message.id, message.author, message.body))
        if message.kind == PUBLICATION and packets.public(message.body) != subsession.encryptor.verifying[message.author]:
            raise Refused("a published key that is not its author's")
        deferred, subsession.deferred = subsession.deferred, []
        for other in deferred:
            self.insert(subsession, other)
        if len(subsession.encryptor.named) > named:
            self.retry()

    def settle(self):
        """What must hold when the record ends."""
        for author, (packet, chain) in self.claims:
            if self.links.get(packet) != chain:
                raise Refused(f"{author} confirms another history (O-10)")
        if any(subsession.deferred for subsession in self.subsessions):
            raise Refused("a message waits for its parents")
        if any(is_member for _, _, is_member in self.waiting):
            raise Refused("a packet to a member cannot be read")
