"""The hashes of the server order (server-order.md), and the chain that grows by them."""

import hashes

ROLES = {"initial": 1, "final": 2, "both": 3, "abort": 4, "leave": 5}


def packet_id(packet, sender, channel):
    return hashes.framed(hashes.PACKET_ID, packet, sender, sorted(channel))


def leave_id(initial, who, remaining):
    return hashes.framed(hashes.LEAVE_ID, initial, who, sorted(remaining))


def start(parent):
    return hashes.framed(hashes.CHAIN_START, parent)


def step(chain, packet, role):
    return hashes.framed(hashes.CHAIN_STEP, chain, packet, ROLES[role])


def end(chain, initial, last, how):
    """The chain hash after an operation: `how` is both, final, abort or leave."""
    if how == "both":
        return step(chain, initial, "both")
    return step(step(chain, initial, "initial"), last, how)
