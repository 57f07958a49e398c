"""Detection of a server that has stopped sending."""

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
    """The messages of a call, which is cancelled if the reader waits for one message for too long.

    The reader may wait `first_seconds` for the first message and `seconds` for each further one. The
    time that the reader takes between two messages does not count.
    """

    def __init__(self, call: _Call[_Message], first_seconds: float, seconds: float) -> None:
        self._call = call
        self._allowed = first_seconds
        self._seconds = seconds
        self._deadline = math.inf
        self._ended = threading.Event()
        self.silent = False
        """True if the call was cancelled because no message arrived in time."""
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
        """Cancels the call and ends the watchdog."""
        self._ended.set()
        self._call.cancel()

    def _watch(self) -> None:
        # The watchdog sleeps no longer than a reader may wait. So it wakes up before the deadline
        # of any wait that began meanwhile, and messages need not wake it.
        shortest = min(self._allowed, self._seconds)
        pause = shortest
        while not self._ended.wait(pause):
            left = self._deadline - time.monotonic()
            if left <= 0:
                self.silent = True
                self._call.cancel()
                return
            pause = min(left, shortest)
