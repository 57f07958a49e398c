"""Notices a server that has gone silent."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

_Message = TypeVar("_Message", covariant=True)


class _Call(Protocol[_Message]):
    def __next__(self) -> _Message: ...

    def cancel(self) -> bool: ...


class Watched(Generic[_Message]):
    """The messages of a call; cancels it when its reader has waited for one for longer than it may.

    The time that the reader takes between two messages does not count: messages wait for it meanwhile.
    """

    def __init__(self, call: _Call[_Message], first_seconds: float, seconds: float) -> None:
        self._call = call
        self._allowed = first_seconds
        self._seconds = seconds
        self._deadline = math.inf
        self._ended = threading.Event()
        self.silent = False
        """The call was cancelled because nothing came."""
        threading.Thread(target=self._watch, name="frameway-watchdog", daemon=True).start()

    def __iter__(self) -> Iterator[_Message]:
        return self

    def __next__(self) -> _Message:
        self._deadline = time.monotonic() + self._allowed
        try:
            message = next(self._call)
        finally:
            self._deadline = math.inf
        self._allowed = self._seconds
        return message

    def close(self) -> None:
        """Ends the call and the watch."""
        self._ended.set()
        self._call.cancel()

    def _watch(self) -> None:
        # It sleeps for no longer than a reader may wait. So it is awake again before the deadline of any wait that began
        # meanwhile, and a message costs no wake-up.
        shortest = min(self._allowed, self._seconds)
        pause = shortest
        while not self._ended.wait(pause):
            left = self._deadline - time.monotonic()
            if left <= 0:
                self.silent = True
                self._call.cancel()
                return
            pause = min(left, shortest)
