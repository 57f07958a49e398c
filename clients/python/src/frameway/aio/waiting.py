"""Waiting for changes and for messages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio

from frameway.errors import CallError

_Message = TypeVar("_Message")


class Signal:
    """Wakes the tasks that wait for a change."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    def notify(self) -> None:
        if self._next is not None:
            self._next.set_result(None)
            self._next = None

    async def wait(self, timeout_seconds: float | None = None) -> None:
        """Waits for a change, at most so long."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._next], timeout=timeout_seconds)

    async def wait_for(self, holds: Callable[[], Any], timeout_seconds: float | None = None) -> bool:
        """Waits until a condition holds. Returns False if it does not in time."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while not holds():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            await self.wait(left)
        return True


class Watched(Generic[_Message]):
    """The messages of a call, which is cancelled if the reader waits for one for too long."""

    def __init__(self, call: Any, first_seconds: float, seconds: float) -> None:
        self._call = call
        self._allowed = first_seconds
        self._seconds = seconds
        self._closed = False
        self.silent = False
        """True if the call was cancelled because no message arrived in time."""

    async def read(self) -> _Message | None:
        """Returns the next message; None after the last one, and after `close`."""
        timer = asyncio.get_running_loop().call_later(self._allowed, self._end_silence)
        try:
            message = await self._call.read()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            # Python 3.10 cannot tell whether the reader was cancelled at the same time.
            cancelled = task is not None and hasattr(task, "cancelling") and task.cancelling() > 0
            if self.silent and not cancelled:
                raise CallError(grpc.StatusCode.UNAVAILABLE, "the server sent nothing for three heartbeats") from None
            if self._closed and not cancelled:
                return None
            raise
        finally:
            timer.cancel()
        self._allowed = self._seconds
        return None if message is grpc.aio.EOF else message

    def close(self) -> None:
        self._closed = True
        self._call.cancel()

    def _end_silence(self) -> None:
        self.silent = True
        self._call.cancel()
