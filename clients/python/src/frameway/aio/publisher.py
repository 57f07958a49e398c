"""A publisher."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

from frameway import v1
from frameway.aio.waiting import Signal, Watched
from frameway.errors import BufferFull, CallError, ClientClosed, ConfigError, Error
from frameway.outbox import Decided, Limits, Outbox, frame_size
from frameway.stream_queue import Fate

if TYPE_CHECKING:
    from frameway.aio.client import Client


class Publisher:
    """Sends frames so that each is stored once and in order, as `frameway.Publisher` does."""

    def __init__(
        self, client: Client, publisher_id: str, limits: Limits, on_fate: Callable[[v1.Frame, Fate], None] | None
    ) -> None:
        if not publisher_id:
            raise ConfigError("a publisher needs an id: with it, the server stores a frame that is sent twice once")
        self._client = client
        self._on_fate = on_fate
        self._changed = Signal()
        self._outbox = Outbox(publisher_id, limits, time.monotonic())
        self._error: Error | None = None
        self._stopped = False
        self._call: Watched[v1.SubmitFramesResponse] | None = None
        client.opened.add(self)
        self._task = asyncio.create_task(self._run(), name="frameway-publisher")

    async def publish(self, frame: v1.Frame, *, timeout_seconds: float | None = None) -> asyncio.Future[Fate]:
        """Adds a frame, as `frameway.Publisher.publish` does. Returns a future of the frame's fate."""
        size = frame_size(frame)
        if size > self._client.max_message_bytes:
            raise ConfigError(f"a frame of {size} bytes fits no message of {self._client.max_message_bytes} bytes")
        has_room = await self._changed.wait_for(lambda: self._over or self._outbox.has_room(size), timeout_seconds)
        if self._over or self._outbox.closing:
            raise self._error or Error("the publisher is closed")
        if not has_room:
            held = f"{self._outbox.size_bytes} bytes in {self._outbox.frames} frames are undecided"
            raise BufferFull(f"the publisher is full: {held}; the server is slow or away")
        future: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
        self._outbox.push(frame, size, (frame, future), time.monotonic())
        self._changed.notify()
        return future

    async def flush(self, timeout_seconds: float | None = None) -> None:
        """Waits until all frames are decided. Raises TimeoutError, or the error of a publisher that gave up."""
        self._outbox.flushing = True
        self._changed.notify()
        try:
            decided = await self._changed.wait_for(lambda: self._over or self._outbox.frames == 0, timeout_seconds)
        finally:
            self._outbox.flushing = False
        if self._error is not None:
            raise self._error
        if not decided:
            raise TimeoutError(f"{self._outbox.frames} frames are undecided after {timeout_seconds} s")

    async def close(self, timeout_seconds: float | None = None) -> None:
        """Waits until all frames are decided, and ends the publisher, as `frameway.Publisher.close` does."""
        self._outbox.closing = True
        self._changed.notify()
        await asyncio.wait([self._task], timeout=timeout_seconds)
        await self.cancel()
        if self._error is not None:
            raise self._error

    async def cancel(self) -> None:
        """Ends the publisher at once. Undecided frames are reported as unconfirmed."""
        self._stopped = True
        self._changed.notify()
        if self._call is not None:
            self._call.close()
        await asyncio.wait([self._task])

    async def client_closed(self) -> None:
        if not self._over:
            self._error = ClientClosed()
        await self.cancel()

    async def __aenter__(self) -> Publisher:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await (self.close() if kind is None else self.cancel())

    @property
    def _over(self) -> bool:
        return self._stopped or self._error is not None

    # --- The task. ---

    async def _run(self) -> None:
        try:
            while True:
                await self._changed.wait_for(lambda: self._over or self._outbox.frames or self._outbox.closing)
                if self._over or self._outbox.frames == 0:
                    break
                pause = await self._one_call()
                await self._changed.wait_for(lambda: self._over, pause)
        except Error as error:
            self._error = self._error or error
        except Exception as error:  # a fault of this client: tell the program instead of hanging
            self._error = Error(f"the publisher failed: {error!r}")
            self._client.logger.exception("the publisher failed")
        finally:
            self._stopped = True
            ended = Error("the publisher was ended before the frame was decided")
            self._report(self._outbox.abandon(self._error or ended))
            self._changed.notify()
            self._client.opened.discard(self)

    async def _one_call(self) -> float:
        """Makes a call. Returns the pause before the next one."""
        address = self._client.route.address
        setup, fresh = self._outbox.begin(), self._outbox.fresh
        failure: CallError | None = None
        writer: asyncio.Task[None] | None = None
        try:
            self._client.check()
            opened = self._client.streaming.SubmitFrames()
            call: Watched[v1.SubmitFramesResponse] = Watched(opened, self._outbox.first_seconds, self._outbox.silence_seconds)
            self._call = call
            writer = asyncio.create_task(self._write(opened, setup), name="frameway-publisher-requests")
            while (message := await call.read()) is not None:
                self._report(self._outbox.received(message, time.monotonic()))
                self._changed.notify()
        except grpc.RpcError as error:
            failure = await self._client.explain(error, address, probe=fresh)
        finally:
            if self._call is not None:
                self._call.close()
                self._call = None
            if writer is not None:
                writer.cancel()
                await asyncio.wait([writer])
        if self._over:
            return 0.0
        pause = self._outbox.ended(failure, time.monotonic())
        if failure is not None or pause:
            self._client.route.leave(address)
            self._client.log_retry("SubmitFrames", failure, pause)
        return pause

    async def _write(self, call: Any, setup: v1.SubmitFramesRequest) -> None:
        """Writes the requests of a call. The reader sees why a write fails."""
        try:
            await call.write(setup)
            while not self._over:
                step = self._outbox.next(time.monotonic())
                if step.end:
                    await call.done_writing()
                    return
                if step.request is not None:
                    await call.write(step.request)
                else:
                    await self._changed.wait(step.wait_seconds)
        except (grpc.RpcError, asyncio.InvalidStateError):
            return

    def _report(self, decided: Decided) -> None:
        for (frame, future), fate in decided:
            # A program may have cancelled the future.
            if not future.done():
                future.set_result(fate)
            if self._on_fate is not None:
                try:
                    self._on_fate(frame, fate)
                except Exception:
                    self._client.logger.exception(
                        "the callback failed for frame %d of %r", fate.publisher_sequence, fate.stream_id
                    )
