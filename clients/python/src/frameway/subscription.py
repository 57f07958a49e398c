"""A subscription for threads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from frameway import following, v1
from frameway.events import Frame, Gap, Reader
from frameway.follow import Follow

if TYPE_CHECKING:
    from frameway.client import Client


class Subscription:
    """Iterates over the frames and gaps of streams. `Client.subscribe` creates one.

    At the beginning of a `with` block, the start of each stream is fixed: what is published from
    then on is delivered or reported. Without a `with` block, this happens with the first event.
    """

    def __init__(self, client: Client, request: v1.SubscribeFramesRequest, reader: Reader, max_quiet_seconds: float) -> None:
        self._reader = reader
        self._progress = following.Subscription(request, reader.load())
        self._messages: Follow[v1.SubscribeFramesResponse] = Follow(client, self._progress, max_quiet_seconds)

    @property
    def cursors(self) -> dict[str, str]:
        """The cursor of each stream after its last event."""
        return dict(self._progress.cursors)

    def __iter__(self) -> Iterator[Frame | Gap]:
        return self

    def __next__(self) -> Frame | Gap:
        self._reader.handled()
        self._save()
        for message in self._messages:
            event = self._reader.take(message)
            self._save()
            if event is not None:
                return event
        self._save(last=True)
        raise StopIteration

    def __enter__(self) -> Subscription:
        while not self._reader.started and (message := next(self._messages, None)) is not None:
            self._reader.take(message)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After an error in the block, its last event is not handled.
        if kind is None:
            self._reader.handled()
        self.close()

    def close(self) -> None:
        """Ends the subscription, from any thread, and stores the cursors of all handled events."""
        self._messages.close()
        self._save(last=True)

    def _save(self, *, last: bool = False) -> None:
        cursors = self._reader.due(time.monotonic(), last=last)
        if cursors is not None and self._reader.store is not None:
            try:
                self._reader.store.save(self._reader.streams, cursors)
            except BaseException:
                # Without a place for cursors, nothing more is delivered.
                self._messages.close()
                raise
