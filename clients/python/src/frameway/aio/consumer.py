"""A member of a consumer group."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc

from frameway import v1
from frameway.aio.follow import Follow
from frameway.aio.waiting import Signal
from frameway.deliveries import Deliveries, Report
from frameway.errors import CallError, ClientClosed, Error
from frameway.events import Frame, Gap
from frameway.following import Membership
from frameway.retry import backoff_seconds, retry_delay

if TYPE_CHECKING:
    from frameway.aio.client import Client

Handler = Callable[[Frame], Awaitable[Any]]


class Consumer:
    """Calls a coroutine function for each frame of a group, as `frameway.Consumer` does."""

    def __init__(
        self,
        client: Client,
        request: v1.ConsumeFramesRequest,
        handler: Handler,
        on_gap: Callable[[Gap], Any] | None,
        workers: int,
        max_quiet_seconds: float,
    ) -> None:
        self._client = client
        self._handler = handler
        self._on_gap = on_gap
        self._deliveries = Deliveries(request.group_id)
        self._messages: Follow[v1.ConsumeFramesResponse] = Follow(client, Membership(request), max_quiet_seconds)
        # The server bounds the bytes of unacknowledged frames, and so those that wait here.
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._changed = Signal()
        self._reading = True
        self._stopped = False
        self._error: BaseException | None = None
        self._report_failures = 0
        client.opened.add(self)
        self._tasks = [
            asyncio.create_task(self._read(), name="frameway-member"),
            asyncio.create_task(self._report(), name="frameway-acks"),
            *(asyncio.create_task(self._work(), name="frameway-consumer") for _ in range(workers)),
        ]

    async def wait(self, timeout_seconds: float | None = None) -> bool:
        """Waits until the consumer ends, as `frameway.Consumer.wait` does."""
        ended = await self._changed.wait_for(lambda: self._stopped or not self._reading, timeout_seconds)
        if ended:
            await self.close()
        return ended

    async def close(self, timeout_seconds: float | None = 30.0) -> None:
        """Ends the membership, as `frameway.Consumer.close` does. Handlers that still run after the time are cancelled."""
        self._messages.close()
        self._reading = False
        self._deliveries.release()
        for _ in self._tasks:
            self._frames.put_nowait(None)
        self._changed.notify()
        await self._changed.wait_for(lambda: self._stopped or not self._deliveries.unfinished, timeout_seconds)
        self._stopped = True
        self._changed.notify()
        self._client.opened.discard(self)
        # A handler that closes its own consumer must not wait for itself.
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        if self._deliveries.unfinished:
            for task in others:
                task.cancel()
        await asyncio.wait(others)
        if self._error is not None:
            raise self._error

    async def client_closed(self) -> None:
        self._stopped = True
        self._error = self._error or ClientClosed()
        self._changed.notify()

    async def __aenter__(self) -> Consumer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- The tasks. ---

    async def _read(self) -> None:
        try:
            async for message in self._messages:
                match message.WhichOneof("event"):
                    case "ready":
                        self._deliveries.ready(message.ready)
                    case "frame" if self._reading and self._deliveries.delivered(message.frame, time.monotonic()):
                        delivered = message.frame
                        self._frames.put_nowait(Frame(delivered.frame, "", delivered.ack_id, delivered.delivery_attempt))
                    case "gap" if self._on_gap is not None:
                        self._on_gap(Gap(message.gap))
                self._changed.notify()
        except Exception as error:
            self._fail(error)
        self._reading = False
        self._changed.notify()

    async def _work(self) -> None:
        while (frame := await self._frames.get()) is not None:
            key = (frame.stream_id, frame.sequence)
            if not self._deliveries.begin(key):
                continue
            error: Exception | None = None
            try:
                await self._handler(frame)
            except Exception as raised:
                error = raised
                self._client.logger.warning(
                    "the handler failed for frame %d of %r: %r", frame.sequence, frame.stream_id, raised
                )
            self._deliveries.finished(key, error)
            self._changed.notify()

    async def _report(self) -> None:
        while not self._stopped:
            report = self._deliveries.next_report(time.monotonic())
            if report is not None:
                await self._send(report)
                continue
            due = self._deliveries.next_extension()
            await self._changed.wait(max(0.0, due - time.monotonic()) if due is not None else None)

    async def _send(self, report: Report) -> None:
        address = self._client.route.address
        methods: dict[str, Any] = {
            "acknowledge": self._client.streaming.AcknowledgeFrames,
            "reject": self._client.streaming.RejectFrames,
            "extend": self._client.streaming.ExtendAckDeadline,
        }
        try:
            self._client.check()
            response = await methods[report.kind](report.request)
        except grpc.RpcError as error:
            await self._unanswered(report, await self._client.explain(error, address, probe=False))
            return
        self._report_failures = 0
        for refusal in self._deliveries.answered(report, response.results, time.monotonic()):
            self._client.logger.warning(refusal)
        self._changed.notify()

    async def _unanswered(self, report: Report, error: CallError) -> None:
        requested = retry_delay(error)
        if requested is None:
            self._fail(error)
            self._stopped = True
            self._changed.notify()
            return
        self._report_failures += 1
        pause = requested or backoff_seconds(self._report_failures)
        self._deliveries.unanswered(report, time.monotonic() + pause)
        self._client.log_retry(report.kind, error, pause)
        await self._changed.wait_for(lambda: self._stopped, pause)

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, Error | grpc.RpcError):
            self._client.logger.exception("the consumer failed")
        self._error = self._error or error
        self._changed.notify()
        self._messages.close()
