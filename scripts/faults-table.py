#!/usr/bin/env python3
"""Prints the table of a fault campaign, whose rows are lines of a file (see tests/faults/table.rs):
scripts/faults-table.py target/tmp/faults-table.jsonl"""

import json
import pathlib
import sys
import textwrap

COLUMNS = "{:>3}  {:<{width}}  {:>6}  {:>8}  {:>4}  {:>5}  {:>8}"
NUMBERS = ("rounds", "frames_at_stake", "lost", "duplicates")

file = pathlib.Path(sys.argv[1])
rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
if not rows:
    print("no row of the campaign was completed")
    sys.exit()
rows.sort(key=lambda row: (row["number"], row["name"]))
width = max(len(row["name"]) for row in rows)

print(f"\nFaults tried; seeds {', '.join(sorted({str(row['seed']) for row in rows}))}\n")
print(COLUMNS.format("", "fault", "rounds", "at stake", "lost", "twice", "recovery", width=width))
for row in rows:
    recovery = "" if row["recovery_ms"] is None else f"{row['recovery_ms'] / 1000:.1f} s"
    print(COLUMNS.format(row["number"], row["name"], *(row[name] for name in NUMBERS), recovery, width=width).rstrip())
    print(textwrap.indent(textwrap.fill(row["note"], 100), " " * 5), end="\n" if row["note"] else "")
total = [sum(row[name] for row in rows) for name in NUMBERS]
print("\n{} faults, {} frames at stake, {} lost, {} twice".format(*total))
for row in rows:
    if row["note"].startswith("SKIPPED: "):
        print(f"skipped: row {row['number']}, {row['name']}: {row['note'].removeprefix('SKIPPED: ')}")
