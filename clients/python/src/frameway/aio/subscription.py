"""A subscription."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from frameway import following, v1
from frameway.aio.follow import Follow
from frameway.events import Frame, Gap, Reader

if TYPE_CHECKING:
    from frameway.aio.client import Client


class Subscription:
    """Iterates over the frames and gaps of streams, as `frameway.Subscription` does."""

    def __init__(self, client: Client, request: v1.SubscribeFramesRequest, reader: Reader, max_quiet_seconds: float) -> None:
        self._reader = reader
        self._progress = following.Subscription(request, reader.load())
        self._messages: Follow[v1.SubscribeFramesResponse] = Follow(client, self._progress, max_quiet_seconds)

    @property
    def cursors(self) -> dict[str, str]:
        """The cursor of each stream after its last event."""
        return dict(self._progress.cursors)

    def __aiter__(self) -> AsyncIterator[Frame | Gap]:
        return self

    async def __anext__(self) -> Frame | Gap:
        self._reader.handled()
        await self._save()
        async for message in self._messages:
            event = self._reader.take(message)
            await self._save()
            if event is not None:
                return event
        await self._save(last=True)
        raise StopAsyncIteration

    async def __aenter__(self) -> Subscription:
        while not self._reader.started:
            try:
                self._reader.take(await self._messages.__anext__())
            except StopAsyncIteration:
                break
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After an error in the block, its last event is not handled.
        if kind is None:
            self._reader.handled()
        await self.close()

    async def close(self) -> None:
        """Ends the subscription, and stores the cursors of all handled events."""
        self._messages.close()
        await self._save(last=True)

    async def _save(self, *, last: bool = False) -> None:
        cursors = self._reader.due(time.monotonic(), last=last)
        if cursors is not None and self._reader.store is not None:
            try:
                await asyncio.to_thread(self._reader.store.save, self._reader.streams, cursors)
            except BaseException:
                # Without a place for cursors, nothing more is delivered.
                self._messages.close()
                raise
