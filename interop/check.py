"""Opens and checks the vectors of the specification, and follows recorded sessions. See README.md."""

import json
import sys
from pathlib import Path

import bd
import cliques
import order
import packets
import wire
from encryptor import Encryptor, Message, Unreadable, padded
from hashes import Framed
from keys import Confirmation, Keys, confirmation_key
from packets import Refused
from ristretto import BASE, NoPoint
from session import Follower

DEFAULT = Path(__file__).resolve().parent.parent / "docs" / "spec" / "vectors"
ERRORS = (wire.Malformed, Refused, Unreadable, NoPoint)
# RFC 9496, appendix A.1: the second and third multiple of the base point.
MULTIPLES = {2: "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
             3: "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259"}


class Failed(Exception):
    """A file says otherwise than the specification does."""


def demand(what, expected, got):
    if isinstance(expected, list) and isinstance(got, list):
        for at, (one, other) in enumerate(zip(expected, got)):
            demand(f"{what}, entry {at}", one, other)
        demand(f"{what}, how many", len(expected), len(got))
    elif expected != got:
        raise Failed(f"{what}: expected {shown(expected)}, got {shown(got)}")


def shown(value):
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 200 else text[:200] + ".."


def refuses(what, act):
    """Demands that something is refused."""
    try:
        act()
    except ERRORS:
        return
    raise Failed(f"{what}: is to be refused, and is not")


def unhex(text):
    return bytes.fromhex(text)


def name(text):
    return text.encode()


def names(texts):
    return [name(text) for text in texts]


def check_wire(file):
    for entry in file["integers"]:
        demand("an integer", unhex(entry["bytes"]), wire.integer(entry["value"]))
        demand("an integer", entry["value"], wire.whole(unhex(entry["bytes"]), wire.Reader.integer))
    made = {
        "member": lambda entry: wire.string(name(entry["value"])),
        "members": lambda entry: wire.members(names(entry["value"])),
        "change": lambda entry: wire.change(names(entry["include"]), names(entry["exclude"])),
        "time": lambda entry: wire.integer(entry["value"]),
    }
    read = {"integer": wire.Reader.integer, "member": wire.Reader.member, "members": wire.Reader.members}
    for entry in file["values"]:
        demand(entry["type"], unhex(entry["bytes"]), made[entry["type"]](entry))
    for entry in file["malformed"]:
        refuses(entry["why"], lambda: wire.whole(unhex(entry["bytes"]), read[entry["type"]]))


def check_frame(file):
    kinds = {"operation": 1, "message": 2, "announcement": 3}
    for entry in file["framed"]:
        packet, body = unhex(entry["packet"]), unhex(entry["body"])
        demand(entry["kind"], packet, packets.frame(kinds[entry["kind"]], body))
        demand(entry["kind"], (kinds[entry["kind"]], body), packets.unframe(packet))
    for entry in file["malformed"]:
        refuses(entry["why"], lambda: packets.unframe(unhex(entry["packet"])))


def check_signed(file):
    session, author, seed = name(file["session"]), name(file["author"]), unhex(file["identity_seed"])
    directory = {author: unhex(file["identity_key"])}
    demand("the identity key", directory[author], packets.public(seed))
    data, initial = file["associated_data"], unhex(file["initial_packet"])
    for entry in file["packets"]:
        body = unhex(entry["body"])
        signed = packets.Signed(body, session, author, directory)
        demand("the role", entry["role"], ("initial", "later", "abort")[signed.role])
        demand("the payload", unhex(entry["payload"]), signed.payload)
        digest = Framed("gka operation packet signature").field(session).field(body[:-64]).out(64)
        demand("the signature", body[-64:], packets.sign(seed, digest))
        if signed.data:
            for field, got in (("suite", signed.data.suite.decode()), ("parent", signed.data.parent.hex()),
                               ("chain", signed.data.chain.hex()),
                               ("latest", [latest.hex() for latest in signed.data.latest]),
                               ("before", [member.decode() for member in signed.data.before]),
                               ("after", [member.decode() for member in signed.data.after])):
                demand(field, data[field], got)
        else:
            demand("the initial packet", initial, signed.initial)
    directory[b"bob"] = directory[author]
    for entry in file["refused"]:
        refuses(entry["why"], lambda: packets.Signed(
            unhex(entry["body"]), name(entry["session"]), name(entry["from"]), directory))


def check_announcements(file):
    announcement = unhex(file["announcement"])
    reader = wire.Reader(announcement)
    package, key, signature = reader.string(), reader.take(32), reader.take(64)
    reader.end()
    framed = Framed("gka-mls announcement signature").field(name(file["session"])).field(name(file["author"]))
    packets.verify(unhex(file["identity_key"]), signature, framed.field(package).field(key).out(64))


def check_order(file):
    for entry in file["packet_ids"]:
        got = order.packet_id(unhex(entry["bytes"]), name(entry["from"]), names(entry["channel"]))
        demand("a packet id", unhex(entry["id"]), got)
    for entry in file["leave_ids"]:
        got = order.leave_id(unhex(entry["initial"]), name(entry["who"]), names(entry["remaining"]))
        demand("a leave id", unhex(entry["id"]), got)
    for entry in file["starts"]:
        demand("a first chain hash", unhex(entry["chain"]), order.chain_start(unhex(entry["parent"])))
    for entry in file["steps"]:
        got = order.chain_step(unhex(entry["before"]), unhex(entry["packet"]), entry["role"])
        demand(f"a step with role {entry['role']}", unhex(entry["after"]), got)


def check_keys(file):
    transcript, computed = unhex(file["transcript"]), unhex(file["computed"])
    keys = Keys(transcript, computed)
    demand("the group secret", unhex(file["secret"]), keys.secret)
    demand("the subsession's id", unhex(file["subsession"]), keys.subsession)
    confirmation = wire.whole(unhex(file["confirmation"]), Confirmation)
    demand("the verifying key", unhex(file["verifying_key"]), confirmation.key)
    confirmation.check(name(file["author"]), transcript, confirmation_key(transcript, computed))


def check_operations(file, agreement):
    members = {name(entry["member"]): entry for entry in file["members"]}
    directory = {member: unhex(entry["identity_key"]) for member, entry in members.items()}
    for member, entry in members.items():
        demand(f"the key of {member}", directory[member], packets.public(unhex(entry["identity_seed"])))
    session, channel, states = name(file["session"]), names(file["channel"]), {}
    for at, operation in enumerate(file["operations"]):
        what = f"operation {at}"
        opened = []
        for entry in operation["packets"]:
            packet, sender = unhex(entry["packet"]), name(entry["from"])
            number = order.packet_id(packet, sender, channel)
            demand(f"{what}, a packet id", unhex(entry["id"]), number)
            signed = packets.Signed(packets.unframe(packet)[1], session, sender, directory)
            opened.append((signed, number))
        first, number = opened[0]
        for field, got in (("author", first.author.decode()), ("suite", first.data.suite.decode()),
                           ("parent", first.data.parent.hex()), ("chain", first.data.chain.hex()),
                           ("before", [member.decode() for member in first.data.before]),
                           ("after", [member.decode() for member in first.data.after])):
            demand(f"{what}, {field}", operation[field], got)
        scalars = {(name(entry["member"]), entry["packet"]): unhex(entry["scalar"])
                   for entry in operation["contributions"]}
        after = {}
        for me in first.data.after:
            place = {id(signed): index for index, (signed, _) in enumerate(opened)}
            drawn = lambda signed: scalars[(me, place[id(signed)])]
            part = agreement.Operation(me, states.get(me) if me in first.data.before else None, first, number, drawn)
            for signed, _ in opened[1:]:
                part.receive(signed)
            result = part.result()
            if result is None:
                raise Failed(f"{what}: does not finish for {me.decode()}")
            keys, after[me] = result
            wanted = operation["keys"]
            demand(f"{what}, the subsession for {me}", unhex(wanted["subsession"]), keys.subsession)
            demand(f"{what}, the secret for {me}", unhex(wanted["secret"]), keys.secret)
            verifying = {name(entry["member"]): unhex(entry["key"]) for entry in wanted["verifying_keys"]}
            demand(f"{what}, the verifying keys", verifying, keys.verifying)
        for entry in operation["signing_keys"]:
            key = packets.public(unhex(entry["seed"]))
            demand(f"{what}, a signing key", keys.verifying[name(entry["member"])], key)
        states = after


def check_messages(file):
    seeds = {name(entry["member"]): unhex(entry["signing_seed"]) for entry in file["members"]}
    verifying = {name(entry["member"]): unhex(entry["verifying_key"]) for entry in file["members"]}
    for member, seed in seeds.items():
        demand(f"the key of {member}", verifying[member], packets.public(seed))
    for entry in file["suites"]:
        suite = entry["suite"]
        encryptor = Encryptor(suite, unhex(file["subsession"]), unhex(file["secret"]), verifying)
        demand("the members", names(entry["members"]), encryptor.members)
        counts = dict.fromkeys(verifying, 0)
        for at, wanted in enumerate(entry["messages"]):
            what, packet = f"{suite}, message {at}", unhex(wanted["packet"])
            said = wanted["confirmation"]
            confirmation = (unhex(said["packet"]), unhex(said["chain"])) if said else None
            author, parents = name(wanted["author"]), [unhex(parent) for parent in wanted["parents"]]
            message = Message(author, wanted["kind"], parents, confirmation, unhex(wanted["body"]))
            sealed = encryptor.seal(message, unhex(wanted["random"]), seeds[author], counts[author])
            demand(f"{what}, sealed again", (packet, unhex(wanted["id"])), sealed)
            opened = encryptor.open(packet)
            encryptor.take(opened)
            fields = (opened.author, opened.kind, opened.parents, opened.confirmation, opened.body, opened.id)
            demand(f"{what}, opened", (author, wanted["kind"], parents, confirmation, message.body, sealed[1]), fields)
            counts[author] += 1
        for refused in entry["refused"]:
            refuses(f"{suite}, {refused['why']}", lambda: encryptor.open(unhex(refused["packet"])))
    for policy, pairs in file["padded_lengths"].items():
        for length, wanted in pairs:
            demand(f"{length} bytes with {policy}", wanted, padded(policy, length))


def check_session(file):
    me = name(file["me"])
    directory = {name(entry["member"]): unhex(entry["key"]) for entry in file["identities"]}
    demand("the key of the member itself", directory[me], packets.public(unhex(file["identity_seed"])))
    contributions = [(unhex(entry["packet"]), unhex(entry["scalar"])) for entry in file["contributions"]]
    follower = Follower(name(file["session"]), name(file["suite"]), me, directory, contributions)
    for at, entry in enumerate(file["events"]):
        try:
            follower.event(
                entry["event"], members=names(entry.get("members", [])), member=name(entry.get("member", "")),
                sender=name(entry.get("from", "")), packet=unhex(entry.get("packet", "")))
        except ERRORS as error:
            raise Failed(f"event {at}: {error}") from error
    follower.settle()
    text = lambda value: value.hex() if value else None
    decoded = lambda members: [member.decode() for member in members]
    expect, current = file["expect"], follower.subsessions[0] if follower.subsessions else None
    demand("the members", expect["members"], decoded(follower.members or []))
    demand("the subsession", expect["subsession"], current and current.id.hex())
    demand("the chain hash", expect["chain"], follower.head and follower.head[1].hex())
    demand("the subsessions", expect["subsessions"],
           [{"subsession": text(number), "members": decoded(members)} for number, members in follower.told])
    demand("the operations", expect["operations"], [
        {"initial": initial.hex(), "last": last.hex(), "chain": chain.hex(), "succeeded": succeeded}
        for initial, last, chain, succeeded in follower.operations])
    demand("the messages", expect["messages"], [
        {"id": number.hex(), "author": author.decode(), "body": body.hex()}
        for number, author, body in sorted(follower.messages)])
    exporter = expect["exporter"]
    got = current.exported(name(exporter["label"])).hex() if current else None
    demand("the exported secret", exporter["secret"], got)


CHECKS = {
    "wire.json": check_wire, "frame.json": check_frame, "signed.json": check_signed,
    "announcements.json": check_announcements, "order.json": check_order, "keys.json": check_keys,
    "cliques.json": lambda file: check_operations(file, cliques),
    "bd.json": lambda file: check_operations(file, bd), "messages.json": check_messages,
}


def check(title, file):
    """Checks the content of one file; a file with events is a recorded session, whatever its name."""
    if "events" in file:
        return check_session(file)
    if title not in CHECKS:
        raise Failed("nobody knows what this file holds")
    return CHECKS[title](file)


def files_of(arguments):
    """The files that the arguments name. A folder must hold one of each kind."""
    for argument in arguments or [DEFAULT]:
        path = Path(argument)
        if path.is_dir():
            found = sorted(path.glob("*.json"))
            missing = set(CHECKS) - {file.name for file in found}
            if missing or len(found) == len(CHECKS):
                raise SystemExit(f"{path}: lacks {', '.join(sorted(missing)) or 'recorded sessions'}")
            yield from found
        else:
            yield path


def main(arguments):
    for factor, encoded in MULTIPLES.items():
        demand(f"{factor} times the base point", encoded, (factor * BASE).encode().hex())
    failed = 0
    for path in files_of(arguments):
        try:
            check(path.name, json.loads(path.read_text()))
            print(f"ok      {path.name}")
        except (Failed, KeyError, ValueError, OSError, *ERRORS) as error:
            failed += 1
            print(f"FAILED  {path.name}: {type(error).__name__}: {error}")
    print(f"{'all well' if not failed else f'{failed} failed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
