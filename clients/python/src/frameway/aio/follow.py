"""A long call that continues over any number of connections."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Generic

import grpc

from frameway.aio.waiting import Signal, Watched
from frameway.errors import ClientClosed
from frameway.following import Following, Message, Resumption

if TYPE_CHECKING:
    from frameway.aio.client import Client


class Follow(Generic[Message]):
    """Yields every message of a call, and of the calls that continue it. Another task may close it."""

    def __init__(self, client: Client, resumption: Resumption[Message], max_quiet_seconds: float) -> None:
        self._client: Client = client
        self._resumption: Resumption[Message] = resumption
        self._state: Following[Message] = Following(resumption, max_quiet_seconds, time.monotonic())
        self._address = client.route.address
        self._call: Watched[Message] | None = None
        self._stopped = False
        self._changed = Signal()
        self._yielded_at: float | None = None
        client.opened.add(self)

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        if self._yielded_at is not None:
            self._state.paused(time.monotonic() - self._yielded_at)
            self._yielded_at = None
        while not self._state.done and not self._stopped:
            try:
                if self._call is None:
                    self._open()
                assert self._call is not None
                message = await self._call.read()
            except grpc.RpcError as error:
                await self._failed(error)
                continue
            except BaseException:
                self.close()
                raise
            if message is None:
                break
            self._state.received(message, time.monotonic())
            if message.WhichOneof("event") == "draining":
                self._client.route.leave(self._address)
            self._yielded_at = time.monotonic()
            return message
        self.close()
        if self._client.closed and not self._state.done:
            raise ClientClosed
        raise StopAsyncIteration

    def close(self) -> None:
        """Ends the call, and the pause between two calls."""
        self._stopped = True
        self._changed.notify()
        self._client.opened.discard(self)
        if self._call is not None:
            self._call.close()
            # A call of grpcio keeps its connection open as long as somebody holds it.
            self._call = None

    async def client_closed(self) -> None:
        self.close()

    def _open(self) -> None:
        self._client.check()
        self._address = self._client.route.address
        method: Any = getattr(self._client.streaming, self._resumption.method)
        call = method(self._resumption.request())
        self._call = Watched(call, self._state.first_seconds, self._state.silence_seconds)

    async def _failed(self, error: grpc.RpcError) -> None:
        silent = self._call is not None and self._call.silent
        if self._call is not None:
            self._call.close()
            self._call = None
        if self._stopped:
            return
        try:
            failure = await self._client.explain(error, self._address, probe=self._state.fresh and not silent)
            pause = self._state.failed(failure, silent, time.monotonic())
        except BaseException:
            self.close()
            raise
        self._client.log_retry(self._resumption.method, failure, pause)
        self._client.route.leave(self._address)
        await self._changed.wait_for(lambda: self._stopped, pause)
