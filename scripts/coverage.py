#!/usr/bin/env python3
"""Prints the share of lines and regions of each room, src/<room>, that the tests ran; with a room, of its
files. Reads the output of `cargo llvm-cov report --json --summary-only`: scripts/coverage.py FILE [ROOM]"""

import collections
import json
import pathlib
import sys

KINDS = ("lines", "regions")
SOURCE = pathlib.Path(__file__).resolve().parent.parent / "src"

only = sys.argv[2] if len(sys.argv) > 2 else ""
rooms: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
for file in json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))["data"][0]["files"]:
    path = pathlib.Path(file["filename"])
    if path.is_relative_to(SOURCE):
        name = path.relative_to(SOURCE)
        for room in (name.parts[0] if not only else str(name), "all") if only in ("", name.parts[0]) else ():
            for kind in KINDS:
                rooms[room][kind] += file["summary"][kind]["count"]
                rooms[room][f"{kind} covered"] += file["summary"][kind]["covered"]

width = max(map(len, rooms)) + 2
print(f"{'room':<{width}}{'lines':>8}{'covered':>10}{'regions':>10}{'covered':>10}")
for room in sorted(rooms, key=lambda room: (room == "all", room)):
    count = rooms[room]
    shares = [f"{100 * count[f'{kind} covered'] / max(count[kind], 1):.1f} %" for kind in KINDS]
    print(f"{room:<{width}}{count['lines']:>8}{shares[0]:>10}{count['regions']:>10}{shares[1]:>10}")
