"""The hashes of the server order (docs/spec/server-order.md)."""

from hashes import Framed

ROLES = {"initial": 1, "final": 2, "both": 3, "abort": 4, "leave": 5}


def packet_id(packet, sender, channel):
    return Framed("server-order packet id").field(packet).field(sender).list(sorted(channel)).out()


def leave_id(initial, who, remaining):
    return Framed("server-order leave id").field(initial).field(who).list(sorted(remaining)).out()


def chain_start(parent):
    return Framed("server-order chain start").field(parent).out()


def chain_step(before, packet, role):
    return Framed("server-order chain step").field(before).field(packet).number(ROLES[role]).out()
