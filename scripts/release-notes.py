#!/usr/bin/env python3
"""Prints the section of a version in CHANGELOG.md, for the notes of a release.

    scripts/release-notes.py VERSION       for example 0.1.0; Unreleased prints what is not released yet
    scripts/release-notes.py --test        checks this script, and that CHANGELOG.md has notes

A version without a section, or with an empty one, is an error: exit code 1.
"""

from __future__ import annotations

import pathlib
import re
import sys

CHANGELOG = pathlib.Path(__file__).resolve().parents[1] / "CHANGELOG.md"
HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


class NoNotes(Exception):
    """The changelog has no notes of the version."""


def notes(changelog: str, version: str) -> str:
    """Returns the section of a version, without its heading."""
    headings = list(HEADING.finditer(changelog))
    for number, heading in enumerate(headings):
        if heading["version"] == version:
            end = headings[number + 1].start() if number + 1 < len(headings) else len(changelog)
            text = changelog[heading.end() : end].strip()
            # Definitions of links at the end of the file belong to the headings.
            text = re.sub(r"(\n\[[^\]]+\]: \S+)+$", "", text).strip()
            if not text:
                raise NoNotes(f"the section of {version} in CHANGELOG.md is empty")
            return text
    known = ", ".join(heading["version"] for heading in headings)
    raise NoNotes(f"CHANGELOG.md has no section [{version}]; it has: {known}")


def test() -> None:
    sample = "# Changelog\n\nForm.\n\n## [Unreleased]\n\n## [0.2.0] - 2026-05-01\n\n### Added\n\n- A [link](x).\n\n## [0.1.0] - 2026-01-01\n\nFirst.\n\n[0.2.0]: https://a.example\n[0.1.0]: https://b.example\n"
    assert notes(sample, "0.2.0") == "### Added\n\n- A [link](x)."
    assert notes(sample, "0.1.0") == "First."
    for version, message in (("Unreleased", "is empty"), ("0.3.0", "it has: Unreleased, 0.2.0, 0.1.0")):
        try:
            notes(sample, version)
        except NoNotes as error:
            assert message in str(error), error
        else:
            raise AssertionError(f"{version}: no error")
    # The next release needs notes.
    assert notes(CHANGELOG.read_text(encoding="utf-8"), "Unreleased")
    print("release notes: 5 cases passed")


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__, file=sys.stderr)
        return 2
    if sys.argv[1] == "--test":
        test()
        return 0
    try:
        print(notes(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1]))
    except NoNotes as error:
        print(f"release-notes: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
