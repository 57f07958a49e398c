"""Runs the commands of docs/quickstart.md in their order against a server."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from dataclasses import replace

from page import Shell, blocks_of

MIN_BLOCKS = 10
"""The minimum number of blocks and of answers. With fewer, this script has misread the page."""


def run(document: pathlib.Path, address: str, tools: pathlib.Path) -> Iterator[str]:
    """Runs each block, checks its output, and yields the methods that it called.

    `tools` is the folder of grpcurl.
    """
    blocks = blocks_of(document)
    with Shell(tools) as shell:
        for block in blocks:
            called = re.findall(r"frameway\.[\w.]+/\w+", block.commands)
            what = ", ".join(name.removeprefix("frameway.v1.") for name in called) or block.commands.strip().splitlines()[-1]
            wrong = shell.check(replace(block, commands=block.commands.replace("127.0.0.1:7400", address)))
            assert not wrong, f"{document.name}, {what}: {wrong}"
            yield what
    answers = sum(block.answer is not None for block in blocks)
    assert min(len(blocks), answers) >= MIN_BLOCKS, f"{document.name} has {len(blocks)} blocks of commands and {answers} answers only"
