"""Stores of cursors, so that a restarted program continues where it ended."""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from frameway.errors import CursorError

_FORMAT = "frameway-cursors-1"
_MAX_FILE_BYTES = 16 << 20


class CursorStore(Protocol):
    """Keeps the cursors of one subscription. A subscription uses a store from one thread at a time."""

    def load(self, streams: Sequence[str]) -> dict[str, str]:
        """Returns the cursor of each stream; nothing if none were stored.

        `streams` names what the subscription selects. Raises CursorError if the cursors belong to
        another selection, or cannot be read.
        """

    def save(self, streams: Sequence[str], cursors: Mapping[str, str]) -> None:
        """Stores the cursors. Raises CursorError if that fails."""


class FileCursors:
    """Keeps cursors in a file, which is replaced as a whole and is on the disk when `save` returns."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = pathlib.Path(path)

    def load(self, streams: Sequence[str]) -> dict[str, str]:
        if not self._path.is_file():
            return {}
        try:
            with self._path.open("rb") as file:
                text = file.read(_MAX_FILE_BYTES + 1)
        except OSError as error:
            raise CursorError(f"the cursor file {self._path} cannot be read: {error.strerror}") from None
        known, cursors = _read(text)
        if cursors is None:
            raise CursorError(
                f"the cursor file {self._path} is damaged, or is no cursor file: restore it, "
                "or remove it to begin at the start position"
            )
        if known != sorted(streams):
            raise CursorError(
                f"the cursor file {self._path} belongs to a subscription of {known}, not of {sorted(streams)}: "
                "use a file of its own for each subscription"
            )
        return cursors

    def save(self, streams: Sequence[str], cursors: Mapping[str, str]) -> None:
        text = json.dumps({"format": _FORMAT, "streams": sorted(streams), "cursors": dict(cursors)}, indent=1)
        # A device or a pipe cannot be replaced by a file.
        in_place = self._path.exists() and not self._path.is_file()
        try:
            if in_place:
                with self._path.open("w", encoding="utf-8") as file:
                    _write(file, text)
                return
            handle, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    _write(file, text)
                os.replace(temporary, self._path)
            except BaseException:
                os.unlink(temporary)
                raise
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise CursorError(f"the cursor file {self._path} cannot be written: {error.strerror}") from error


def _write(file: Any, text: str) -> None:
    file.write(text)
    file.flush()
    os.fsync(file.fileno())


def _read(text: bytes) -> tuple[list[str], dict[str, str] | None]:
    try:
        content = json.loads(text)
        if len(text) > _MAX_FILE_BYTES or content["format"] != _FORMAT:
            return [], None
        cursors = {str(stream): str(cursor) for stream, cursor in content["cursors"].items()}
        return sorted(map(str, content["streams"])), cursors
    except (ValueError, LookupError, TypeError, AttributeError):
        return [], None
