"""Runs the commands of a page of docs/ in their order, in one shell and one empty folder.

A block marked `sh` is run; the block after it, if marked `json` or `text`, is what it prints. There
`...` stands for any text, and white space is ignored. An answer that begins with `frameway: ` is an
error: the commands fail. All other blocks are ignored.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
from dataclasses import dataclass

END = "--- end of block ---"
MAX_SECONDS = 120.0
"""The maximum time of a page on a busy machine. Then the shell and all that it started are killed."""


@dataclass(frozen=True)
class Block:
    """Commands, and what they print; `None` = the page does not say."""

    commands: str
    answer: str | None

    @property
    def fails(self) -> bool:
        return self.answer is not None and self.answer.startswith("frameway: ")


def blocks_of(document: pathlib.Path, kind: str = "sh") -> list[Block]:
    """Returns the blocks of a page that are marked with `kind`."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    pairs = zip(found, [*found[1:], ("", "")])
    return [Block(text, after if mark in ("json", "text") else None) for (here, text), (mark, after) in pairs if here == kind]


class Shell:
    """A shell that runs all blocks, like the shell of a reader, in a folder that is removed at the end."""

    def __init__(self, *tools: pathlib.Path, **variables: str) -> None:
        """`tools` are folders of programs; `variables` are added to the environment."""
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._temporary.name)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEWAY_")}
        environment["PATH"] = os.pathsep.join([*map(str, tools), environment["PATH"]])
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self._process = subprocess.Popen(
            ["bash", "-u"], cwd=self.folder, env=environment | variables, text=True, start_new_session=True, **pipes
        )
        self._late = threading.Timer(MAX_SECONDS, self._kill)
        self._late.start()

    def run(self, commands: str) -> tuple[int, str]:
        """Returns the exit code of the last command that failed, or 0, and the output of all."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"code=0; trap 'code=$?' ERR\n{commands}\ntrap - ERR; echo; echo '{END}' $code\n")
        self._process.stdin.flush()
        lines = []
        for line in self._process.stdout:
            if line.startswith(END):
                return int(line.split()[-1]), "".join(lines)
            lines.append(line)
        raise AssertionError(f"the shell ended, or took more than {MAX_SECONDS:.0f} s:\n{commands}\n{''.join(lines)}")

    def check(self, block: Block) -> str:
        """Runs a block. Returns what is wrong with its exit code or its output, or an empty text."""
        code, said = self.run(block.commands)
        if (code != 0) != block.fails:
            return f"exit code {code}:\n{block.commands}{said}"
        if block.answer is not None and not holds(block.answer, said):
            return f"{block.commands}--- the page says:\n{block.answer}--- it printed:\n{said}"
        return ""

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        self._late.cancel()
        # Before the shell is waited for, so that its id belongs to no other group.
        self._kill()
        self._process.wait()
        self._temporary.cleanup()


def holds(expected: str, said: str) -> bool:
    """Reports whether `said` matches `expected`, apart from white space and text for `...`."""
    pattern = ".*".join(re.escape("".join(piece.split())) for piece in expected.split("..."))
    return re.fullmatch(pattern, "".join(said.split()), re.DOTALL) is not None
