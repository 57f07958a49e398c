#!/usr/bin/env python3
"""Holds the table of limits in docs/limits.md against a server with the default settings.

    grpcurl -plaintext -d '{}' HOST:PORT frameway.v1.StreamingService/GetServerInfo | scripts/check-limits.py

Every field of `Limits` must stand in the table once, with the value that the server answers; a field that the server does not fill
is 0.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
YEAR_SECONDS = 365.2425 * 86_400


def contract_fields():
    proto = (ROOT / "proto/frameway/v1/server.proto").read_text(encoding="utf-8")
    message = re.search(r"^message Limits \{\n(.*?)^\}", proto, re.MULTILINE | re.DOTALL)[1]
    return re.findall(r"^  [\w.]+ (\w+) = \d+;", message, re.MULTILINE)


def documented():
    """The table's rows: [(field, value)]."""
    text = (ROOT / "docs/limits.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| (?:below )?([\d,]+)( years)?[^|]*\|", text, re.MULTILINE)
    return [(name, int(number.replace(",", "")), bool(years)) for name, number, years in rows]


def in_force(limits, name, in_years):
    value = limits.get(re.sub(r"_(\w)", lambda letter: letter[1].upper(), name), 0)
    return round(float(value.removesuffix("s")) / YEAR_SECONDS) if in_years else int(value)


def main():
    limits = json.load(sys.stdin)["limits"]
    fields, rows = contract_fields(), documented()
    faults = []
    if sorted(fields) != sorted(name for name, _, _ in rows):
        odd = sorted(set(fields) ^ {name for name, _, _ in rows}) or "a field twice"
        faults.append(f"the table and the fields of Limits differ: {odd}")
    for name, value, in_years in rows:
        answered = in_force(limits, name, in_years)
        if answered != value:
            faults.append(f"{name}: the table has {value}, the server {answered}")
    for fault in faults:
        print(f"docs/limits.md: {fault}", file=sys.stderr)
    if faults:
        sys.exit(1)
    print(f"docs/limits.md: {len(rows)} limits are the server's")


if __name__ == "__main__":
    main()
