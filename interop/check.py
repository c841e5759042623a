"""Checks vector files: `check.py [FILES or FOLDER]`. Exit code 0 means that every check has passed."""

import json
import sys
from pathlib import Path

import vectors
import session
from faults import Mismatch

DEFAULT = Path(__file__).resolve().parent.parent / "docs" / "spec" / "vectors"
CHECKS = {
    "wire": vectors.check_wire,
    "frame": vectors.check_frame,
    "signed": vectors.check_signed,
    "announcements": vectors.check_announcements,
    "order": vectors.check_order,
    "keys": vectors.check_keys,
    "cliques": vectors.check_cliques,
    "bd": vectors.check_bd,
    "messages": vectors.check_messages,
}


def check_content(stem, content):
    """The groups of one file's content; an unknown file, or a check that fails, raises."""
    if "events" in content:
        check = session.check_session
    elif stem in CHECKS:
        check = CHECKS[stem]
    else:
        raise Mismatch("the file", "a known name, or events", stem)
    groups = list(check(content))
    if not groups or any(not count for _, count in groups):
        raise Mismatch("the file", "entries in every group", groups)
    return groups


def check_file(path):
    return check_content(path.stem, json.loads(path.read_text(encoding="utf-8")))


def files_of(arguments):
    """The files to check; of a folder, all its vectors, and every known name must be there."""
    for argument in map(Path, arguments or [DEFAULT]):
        if not argument.is_dir():
            yield argument
            continue
        found = sorted(argument.glob("*.json"))
        yield from found
        missing = sorted(set(CHECKS) - {path.stem for path in found})
        yield from (argument / f"{stem}.json" for stem in missing)
        if not any(path.stem.startswith("session-") for path in found):
            yield argument / "session-*.json"


def main(arguments):
    failed = False
    for path in files_of(arguments):
        try:
            for group, count in check_file(path):
                print(f"{path.name}: {group}: {count} ok")
        except Mismatch as why:
            failed = True
            print(f"{path.name}: FAILED: {why}")
        except Exception as why:
            failed = True
            print(f"{path.name}: FAILED: {type(why).__name__}: {why}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
