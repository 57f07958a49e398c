#!/usr/bin/env python3
"""Prints the table of a fault campaign, from the lines that its rows left (tests/faults/table.rs).

    scripts/faults-table.py target/tmp/faults-table.jsonl
"""

import json
import pathlib
import sys
import textwrap

HEADINGS = ("", "fault", "rounds", "at stake", "lost", "twice", "recovery")
NOTE_WIDTH = 100


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    file = pathlib.Path(sys.argv[1])
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    rows = sorted((json.loads(line) for line in lines), key=lambda row: (row["number"], row["name"]))
    if not rows:
        print("no row of the campaign ran to its end")
        return 0

    cells = [HEADINGS]
    for row in rows:
        recovery = row["recovery_ms"]
        cells.append((
            str(row["number"]),
            row["name"],
            str(row["rounds"]),
            str(row["frames_at_stake"]),
            str(row["lost"]),
            str(row["duplicates"]),
            "" if recovery is None else f"{recovery / 1000:.1f} s",
        ))
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]

    def show(line: tuple[str, ...]) -> None:
        # The fault's name to the left, numbers to the right.
        padded = (text.ljust(width) if at == 1 else text.rjust(width) for at, (text, width) in enumerate(zip(line, widths)))
        print("  ".join(padded).rstrip())

    print(f"\nFaults tried; seeds {', '.join(sorted({str(row['seed']) for row in rows}))}\n")
    show(cells[0])
    for row, line in zip(rows, cells[1:]):
        show(line)
        for note in textwrap.wrap(row["note"], NOTE_WIDTH):
            print(" " * (widths[0] + 4) + note)
    total = [sum(row[name] for row in rows) for name in ("rounds", "frames_at_stake", "lost", "duplicates")]
    print(f"\n{total[0]} faults, {total[1]} frames at stake, {total[2]} lost, {total[3]} twice")

    skips = [row for row in rows if row["note"].startswith("SKIPPED: ")]
    for row in skips:
        print(f"skipped: row {row['number']}, {row['name']}: {row['note'].removeprefix('SKIPPED: ')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
