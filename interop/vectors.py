"""The checks of every vector file but the sessions. Each check is a function from the file's content to its
groups: pairs of a name and how many entries were checked."""

import announcements
import bd
import cliques
import encryptor
import keys
import order
import packets
import ristretto
import signatures
import wire
from faults import Mismatch, Refused, equal, refused

AGREEMENTS = {cliques.NAME: cliques, bd.NAME: bd}


def unhex(text):
    data = bytes.fromhex(text)
    equal("lower-case hexadecimal", text, data.hex())
    return data


def names(items):
    return [item.encode() for item in items]


READERS = {
    "integer": wire.Reader.number,
    "time": wire.Reader.number,
    "member": wire.Reader.name,
    "members": wire.Reader.members,
    "change": wire.Reader.change,
}


def _value(entry):
    kind = entry["type"]
    if kind == "change":
        value = names(entry["include"]), names(entry["exclude"])
        return value, wire.change(*value)
    value = entry["value"]
    if kind == "member":
        return value.encode(), wire.byte_string(value.encode())
    if kind == "members":
        return names(value), wire.members(names(value))
    return value, wire.number(value)


def check_wire(file):
    entries = [{"type": "integer", **e} for e in file["integers"]] + file["values"]
    for at, entry in enumerate(entries):
        where, data = f"wire values[{at}] {entry['type']}", unhex(entry["bytes"])
        if entry["type"] not in READERS:
            raise Mismatch(where, "a known type", entry["type"])
        value, encoded = _value(entry)
        equal(where + " written", data, encoded)
        equal(where + " read", value, wire.decode(data, READERS[entry["type"]]))
    for at, entry in enumerate(file["malformed"]):
        data, read = unhex(entry["bytes"]), READERS[entry["type"]]
        refused(f"wire malformed[{at}]", entry["why"], lambda: wire.decode(data, read))
    yield "values", len(entries)
    yield "malformed", len(file["malformed"])


def check_frame(file):
    for at, entry in enumerate(file["framed"]):
        where, kind = f"framed[{at}]", packets.KINDS[entry["kind"]]
        packet, body = unhex(entry["packet"]), unhex(entry["body"])
        equal(where + " packet", packet, packets.frame(kind, body))
        equal(where + " read", (kind, body), packets.unframe(packet))
    for at, entry in enumerate(file["malformed"]):
        packet = unhex(entry["packet"])
        refused(f"malformed[{at}]", entry["why"], lambda: packets.unframe(packet))
    yield "framed", len(file["framed"])
    yield "malformed", len(file["malformed"])


def check_signed(file):
    session, author = file["session"].encode(), file["author"].encode()
    seed, key = unhex(file["identity_seed"]), unhex(file["identity_key"])
    equal("identity_key", key, signatures.public_key(seed))
    identities = {author: key, b"bob": key}
    said = file["associated_data"]
    data = packets.associated(session, said["suite"], unhex(said["parent"]), unhex(said["chain"]),
                              [unhex(m) for m in said["latest"]], names(said["before"]), names(said["after"]))
    for at, entry in enumerate(file["packets"]):
        where, role, body = f"packets[{at}]", packets.ROLES[entry["role"]], unhex(entry["body"])
        about = data if role == packets.INITIAL else unhex(file["initial_packet"])
        made = packets.Signed(author, role, about, unhex(entry["payload"]))
        equal(where + " body", body, made.seal(session, seed))
        got = packets.open_signed(body, session, author, identities)
        equal(where + " read", (author, role, about, made.payload),
              (got.author, got.role, got.about, got.payload))
    for at, entry in enumerate(file["refused"]):
        where, body, sender = f"refused[{at}]", unhex(entry["body"]), entry["from"].encode()
        refused(where, entry["why"],
                lambda: packets.open_signed(body, entry["session"].encode(), sender, identities))
    yield "packets", len(file["packets"])
    yield "refused", len(file["refused"])


def check_announcements(file):
    body, author = unhex(file["announcement"]), file["author"].encode()
    session, key = file["session"].encode(), unhex(file["identity_key"])
    announcements.open_announcement(body, session, author, key)
    refused("announcement in another session", "it was signed for one session",
            lambda: announcements.open_announcement(body, session + b"!", author, key))
    yield "announcement", 1


def check_order(file):
    for at, e in enumerate(file["packet_ids"]):
        equal(f"packet_ids[{at}]", unhex(e["id"]),
              order.packet_id(unhex(e["bytes"]), e["from"].encode(), names(e["channel"])))
    for at, e in enumerate(file["leave_ids"]):
        equal(f"leave_ids[{at}]", unhex(e["id"]),
              order.leave_id(unhex(e["initial"]), e["who"].encode(), names(e["remaining"])))
    for at, e in enumerate(file["starts"]):
        equal(f"starts[{at}]", unhex(e["chain"]), order.start(unhex(e["parent"])))
    for at, e in enumerate(file["steps"]):
        after = order.step(unhex(e["before"]), unhex(e["packet"]), e["role"])
        equal(f"steps[{at}]", unhex(e["after"]), after)
    for group in ("packet_ids", "leave_ids", "starts", "steps"):
        yield group, len(file[group])


def check_keys(file):
    transcript, computed = unhex(file["transcript"]), unhex(file["computed"])
    key, author = unhex(file["verifying_key"]), file["author"].encode()
    equal("secret", unhex(file["secret"]), keys.group_secret(transcript, computed))
    equal("subsession", unhex(file["subsession"]), keys.subsession(transcript, computed))
    equal("confirmation", unhex(file["confirmation"]),
          keys.confirmation(keys.confirmation_key(transcript, computed), transcript, author, key))
    yield "keys and confirmation", 3


class _Remake:
    """Makes the packets of an operation again from what its members drew."""

    def __init__(self, session, seeds):
        self.session, self.seeds = session, seeds

    def equal(self, where, packet, signed, payload):
        made = packets.Signed(signed.author, signed.role, signed.about, payload)
        body = made.seal(self.session, self.seeds[signed.author])
        equal(where, packet, packets.frame(packets.OPERATION, body))


def _cliques_payload(operation, signed, factors, scalars, computed_by):
    """The payload that the author has to send: nonces and new keys as they stand, all else computed."""
    reader = wire.Reader(signed.payload)
    base = wire.option(operation.base) if signed.role == packets.INITIAL else b""
    reader.take(len(base))
    kind, nonce, elements, statement = cliques._body(reader)
    if kind != cliques.CONFIRMATION:
        turn = operation.contributors.index(signed.author)
        elements = operation.elements(turn, factors[signed.author], scalars[signed.author])
    if statement:
        transcript, computed = operation.transcript(), computed_by(signed.author)
        mac = keys.mac(keys.confirmation_key(transcript, computed), transcript, signed.author,
                       statement.verifying_key)
        statement = cliques.Statement(transcript, statement.verifying_key, mac)
    return base + cliques.encode_body(kind, nonce, elements, statement)


def _bd_payload(operation, signed, scalars, hello):
    me, scalar = signed.author, scalars[signed.author]
    if hello:
        opening = wire.option(operation.base) if signed.role == packets.INITIAL else b"\0"
        return opening + (scalar * ristretto.GENERATOR).encode() + operation.hellos[me][1]
    return (b"\1" + wire.option(operation.difference(me, scalar)) + operation.transcript()
            + operation.confirmation(me, scalar))


def _check_operation(where, file, entry, name, state, folded, identities, seeds):
    session, channel = file["session"].encode(), names(file["channel"])
    equal(where + " suite", name, entry["suite"].partition("/")[0])
    agreement = AGREEMENTS[name]
    data = packets.associated(session, entry["suite"], unhex(entry["parent"]), unhex(entry["chain"]), [],
                              names(entry["before"]), names(entry["after"]))
    drawn = {}
    for c in entry["contributions"]:
        at, member = c["packet"], c["member"].encode()
        equal(f"{where} contribution of {c['member']}", entry["packets"][at]["from"], c["member"])
        drawn[member, at] = ristretto.scalar(unhex(c["scalar"]))
    opened, operation = [], None
    for at, p in enumerate(entry["packets"]):
        place, packet, sender = f"{where} packets[{at}]", unhex(p["packet"]), p["from"].encode()
        equal(place + " id", unhex(p["id"]), order.packet_id(packet, sender, channel))
        kind, body = packets.unframe(packet)
        equal(place + " kind", packets.OPERATION, kind)
        signed = packets.open_signed(body, session, sender, identities)
        if operation is None:
            equal(place + " role", packets.INITIAL, signed.role)
            equal(place + " author", entry["author"].encode(), signed.author)
            equal(place + " associated data", data, signed.about)
            operation = agreement.Operation(signed, unhex(p["id"]), state)
            equal(place + " base", state and state.base, operation.base)
        else:
            equal(place + " role", packets.LATER, signed.role)
            equal(place + " initial packet", operation.id, signed.about)
            equal(place + " operation ended", False, operation.done)
            operation.receive(signed)
        opened.append((place, packet, signed))
    equal(where + " done", True, operation.done)
    factors = {m: s for (m, _), s in drawn.items()}
    if agreement is cliques:
        before = set(names(entry["before"]))
        scalars = {m: factors.get(m, 1) * (folded[m] if m in before and m in folded else 1) % ristretto.L
                   for m in operation.members}
        contributors = set(operation.contributors)
    else:
        scalars, contributors = factors, set(operation.members)
    equal(where + " contributors", sorted(contributors), sorted(factors))
    want = entry["keys"]
    verifying = {k["member"].encode(): unhex(k["key"]) for k in want["verifying_keys"]}
    for member in operation.after:
        got = operation.finish(member, scalars[member])
        place = f"{where} keys of {member.decode()}"
        equal(place + " subsession", unhex(want["subsession"]), got.subsession)
        equal(place + " secret", unhex(want["secret"]), got.secret)
        equal(place + " verifying keys", verifying, got.verifying_keys)
    signing = {k["member"].encode(): unhex(k["seed"]) for k in entry["signing_keys"]}
    equal(where + " signing keys", verifying, {m: signatures.public_key(s) for m, s in signing.items()})
    remake, seen = _Remake(session, seeds), set()

    def computed(member):
        slot = operation.flows[-1][operation.members.index(member)]
        return (scalars[member] * ristretto.decode(slot)).encode()

    for at, (place, packet, signed) in enumerate(opened):
        if agreement is cliques:
            sends = at < len(operation.contributors)
            payload = _cliques_payload(operation, signed, factors, scalars, computed)
        else:
            sends = signed.author not in seen
            payload = _bd_payload(operation, signed, scalars, sends)
            seen.add(signed.author)
        equal(place + " has a contribution", sends, (signed.author, at) in drawn)
        remake.equal(place, packet, signed, payload)
    return operation.state(), scalars


def _check_operations(file, name):
    seeds, identities = {}, {}
    for m in file["members"]:
        member = m["member"].encode()
        seeds[member], identities[member] = unhex(m["identity_seed"]), unhex(m["identity_key"])
        equal(f"identity_key of {m['member']}", identities[member], signatures.public_key(seeds[member]))
    state, scalars = None, {}
    for at, entry in enumerate(file["operations"]):
        where = f"operations[{at}]"
        try:
            state, scalars = _check_operation(where, file, entry, name, state, scalars, identities, seeds)
        except (Refused, cliques.Failure) as why:
            raise Mismatch(where, "packets that count", str(why)) from why
    yield "operations", len(file["operations"])
    yield "packets made again", sum(len(o["packets"]) for o in file["operations"])


def check_cliques(file):
    return _check_operations(file, cliques.NAME)


def check_bd(file):
    return _check_operations(file, bd.NAME)


def check_messages(file):
    for padding, pairs in file["padded_lengths"].items():
        for length, padded in pairs:
            equal(f"padded_lengths {padding} {length}", padded, encryptor.padded_length(padding, length))
    yield "padded lengths", sum(map(len, file["padded_lengths"].values()))
    seeds = {m["member"].encode(): unhex(m["signing_seed"]) for m in file["members"]}
    verifying = {m["member"].encode(): unhex(m["verifying_key"]) for m in file["members"]}
    equal("verifying keys", verifying, {m: signatures.public_key(s) for m, s in seeds.items()})
    subsession, secret = unhex(file["subsession"]), unhex(file["secret"])
    for suite in file["suites"]:
        name = suite["suite"]
        members = names(suite.get("members", sorted(m.decode() for m in verifying)))
        equal(f"{name} members", sorted(verifying), sorted(members))
        box = encryptor.encryptor(name, subsession, secret, verifying)
        count = dict.fromkeys(verifying, 0)
        for at, e in enumerate(suite["messages"]):
            where, author, packet = f"{name} messages[{at}]", e["author"].encode(), unhex(e["packet"])
            said = e["confirmation"]
            confirmation = said and (unhex(said["packet"]), unhex(said["chain"]))
            generation = count[author] if name.startswith("ratchet+") else None
            count[author] += 1
            message = encryptor.Message(author, e["kind"], [unhex(p) for p in e["parents"]], confirmation,
                                        unhex(e["body"]))
            equal(where + " sealed", packet, box.seal(message, seeds[author], unhex(e["random"]), generation))
            equal(where + " id", unhex(e["id"]), message.id)
            try:
                equal(where + " opened", message, box.open(packet))
            except Refused as why:
                raise Mismatch(where, "a message", str(why)) from why
            box.take(message)
        for at, e in enumerate(suite["refused"]):
            packet = unhex(e["packet"])
            refused(f"{name} refused[{at}]", e["why"], lambda: box.open(packet))
        yield f"{name} messages, {len(suite['refused'])} refused", len(suite["messages"])
