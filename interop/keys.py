"""From what the members computed to keys, and confirmations (cliques.md, C-6 and C-7)."""

import hashes


def confirmation_key(transcript, computed):
    return hashes.hkdf(transcript, computed, hashes.CONFIRMATION_KEY, 64)


def group_secret(transcript, computed):
    return hashes.hkdf(transcript, computed, hashes.GROUP_SECRET, 32)


def subsession(transcript, computed):
    return hashes.hkdf(transcript, computed, hashes.SUBSESSION_ID, 32)


def mac(key, transcript, author, verifying_key):
    return hashes.hmac_sha256(key, hashes.framed(hashes.CONFIRMATION, transcript, author, verifying_key))


def confirmation(key, transcript, author, verifying_key):
    return transcript + verifying_key + mac(key, transcript, author, verifying_key)


def application_secret(subsession_id, secret, label):
    base = hashes.framed(hashes.EXPORTER_BASE, subsession_id, secret)
    return hashes.framed(hashes.EXPORTER, base, label)
