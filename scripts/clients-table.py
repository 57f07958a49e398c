#!/usr/bin/env python3
"""Writes the table of docs/clients.md: which client passes which scenario of clients/scenarios.md.

    scripts/clients-table.py RESULTS          writes the table; RESULTS is a folder with files like go.tsv
    scripts/clients-table.py --check RESULTS  changes nothing; fails if a result contradicts the table

Each line of a results file has a scenario, `ok`, `failed` or `skipped`, and the reason of a skip. The
short tests have no result for some scenarios, so --check compares only those that are there.
"""

from __future__ import annotations

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCENARIOS = ROOT / "clients/scenarios.md"
PAGE = ROOT / "docs/clients.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"
LANGUAGES = {
    "python": "Python",
    "typescript": "Node.js",
    "typescript-browser": "browsers",
    "go": "Go",
    "java": "Java",
    "rust": "Rust",
}
VERDICTS = {"ok": "yes", "failed": "**no**", "skipped": "–"}


def scenarios() -> dict[str, list[str]]:
    """Returns the ids of the scenarios by the heading that they stand under."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in SCENARIOS.read_text().splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif row := re.match(r"\| `([a-z-]+)`", line):
            found.setdefault(heading, []).append(row[1])
    return found


def results(folder: pathlib.Path) -> dict[tuple[str, str], tuple[str, str]]:
    """Returns verdict and reason by language and scenario; the worst of repeated results counts."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    known = {scenario for ids in scenarios().values() for scenario in ids}
    for file in sorted(folder.glob("*.tsv")):
        if file.stem not in LANGUAGES:
            sys.exit(f"{file}: the name is of none of these: {', '.join(LANGUAGES)}")
        for line in file.read_text().splitlines():
            scenario, verdict, *reason = line.split("\t")
            if scenario not in known:
                sys.exit(f"{file}: {scenario} is not a scenario of {SCENARIOS.relative_to(ROOT)}")
            if verdict not in VERDICTS:
                sys.exit(f"{file}: {scenario}: {verdict!r} is none of {', '.join(VERDICTS)}")
            key = (file.stem, scenario)
            if key not in found or verdict == "failed":
                found[key] = (verdict, " ".join(reason).strip())
    return found


def table(verdict_of: dict[tuple[str, str], tuple[str, str]]) -> str:
    lines, notes = [], []
    for heading, ids in scenarios().items():
        lines += [f"### {heading}", "", f"| scenario | {' | '.join(LANGUAGES.values())} |", "|---|" + "---|" * len(LANGUAGES)]
        for scenario in ids:
            cells = []
            for language, name in LANGUAGES.items():
                verdict, reason = verdict_of.get((language, scenario), ("", ""))
                cells.append(VERDICTS.get(verdict, "not tested"))
                if verdict == "skipped":
                    notes.append(f"- `{scenario}` in {name}: {reason}.")
            lines.append(f"| `{scenario}` | {' | '.join(cells)} |")
        lines.append("")
    if notes:
        lines += ["### What a platform does not have", "", *notes, ""]
    return "\n".join(lines)


def committed() -> dict[tuple[str, str], str]:
    """Returns the cells of the table on the page by language and scenario."""
    cells = {}
    for line in PAGE.read_text().splitlines():
        if row := re.match(r"\| `([a-z-]+)` \| (.*) \|$", line):
            cells.update({(language, row[1]): cell for language, cell in zip(LANGUAGES, row[2].split(" | "), strict=True)})
    return cells


def main() -> int:
    arguments = sys.argv[1:]
    check = "--check" in arguments
    arguments = [argument for argument in arguments if argument != "--check"]
    if len(arguments) != 1 or not pathlib.Path(arguments[0]).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    found = results(pathlib.Path(arguments[0]))
    if not check:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(before + BEGIN + "\n" + table(found) + "\n" + END + after)
        return 0
    cells = committed()
    wrong = [
        f"{language}: {scenario}: {verdict}, but docs/clients.md says {cells.get((language, scenario), 'nothing')!r}"
        for (language, scenario), (verdict, _) in sorted(found.items())
        if cells.get((language, scenario)) != VERDICTS[verdict]
    ]
    print("\n".join(wrong) or f"docs/clients.md agrees with {len(found)} results")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
