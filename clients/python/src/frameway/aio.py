"""The client for asyncio. It has the same words as the client for threads, and the same rules.

Use a client in the event loop in which it was made.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import grpc
import grpc.aio

from frameway import events, following, v1
from frameway.addresses import Address
from frameway.channels import MAX_MESSAGE_BYTES, Settings, open_aio_channel, settings
from frameway.client import default_member_id
from frameway.credentials import Credentials
from frameway.cursors import CursorStore
from frameway.deliveries import Deliveries, Report
from frameway.errors import BufferFull, CallError, ClientClosed, ConfigError, Error
from frameway.events import Frame, Gap, Latest, Pictures, Reader, Start, store_of
from frameway.following import Following, Membership, Message, Resumption
from frameway.outbox import Decided, Fate, Limits, Outbox, frame_size
from frameway.retry import backoff_seconds, check_plaintext, explain, retry_delay

if TYPE_CHECKING:
    from frameway.v1.consumer_group_service_pb2_grpc import ConsumerGroupServiceAsyncStub
    from frameway.v1.dead_letter_service_pb2_grpc import DeadLetterServiceAsyncStub
    from frameway.v1.queue_service_pb2_grpc import QueueServiceAsyncStub
    from frameway.v1.stream_registry_service_pb2_grpc import StreamRegistryServiceAsyncStub
    from frameway.v1.streaming_service_pb2_grpc import StreamingServiceAsyncStub

_Answer = TypeVar("_Answer")
Handler = Callable[[Frame], Awaitable[Any]]


def connect(
    address: str | Sequence[str],
    credentials: Credentials | grpc.ChannelCredentials | None = None,
    *,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    logger: logging.Logger | None = None,
) -> Client:
    """Returns a client, as `frameway.connect` does. Call it in the event loop that is to use the client."""
    return Client(settings(address, credentials, max_message_bytes), max_message_bytes, logger)


class Client:
    """A client of a server, with a stub for each service of the API. `connect` creates one."""

    def __init__(self, made: Settings, max_message_bytes: int, logger: logging.Logger | None) -> None:
        self.channel = open_aio_channel(made)
        self.route = made.route
        self.secret = made.secret
        self.max_message_bytes = max_message_bytes
        self.logger = logger or logging.getLogger("frameway")
        self.streaming: StreamingServiceAsyncStub = v1.StreamingServiceStub(self.channel)
        self.registry: StreamRegistryServiceAsyncStub = v1.StreamRegistryServiceStub(self.channel)
        self.groups: ConsumerGroupServiceAsyncStub = v1.ConsumerGroupServiceStub(self.channel)
        self.dead_letters: DeadLetterServiceAsyncStub = v1.DeadLetterServiceStub(self.channel)
        self.queues: QueueServiceAsyncStub = v1.QueueServiceStub(self.channel)
        self.opened: weakref.WeakSet[Any] = weakref.WeakSet()
        self.closed = False
        self._checked = False

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection. The calls of this layer then raise ClientClosed.

        Close publishers and consumers first, so that they can finish.
        """
        self.closed = True
        for one in list(self.opened):
            await one.client_closed()
        await self.channel.close()

    def publisher(
        self,
        publisher_id: str,
        *,
        batch_frames: int = Limits.batch_frames,
        batch_bytes: int = Limits.batch_bytes,
        batch_seconds: float = Limits.batch_seconds,
        max_bytes: int = Limits.max_bytes,
        max_quiet_seconds: float = Limits.max_quiet_seconds,
        on_fate: Callable[[v1.Frame, Fate], None] | None = None,
    ) -> Publisher:
        """Returns a publisher, as `frameway.Client.publisher` does. Use it in an `async with` block, or close it."""
        limits = Limits(batch_frames, batch_bytes, batch_seconds, max_bytes, max_quiet_seconds)
        return Publisher(self, publisher_id, limits, on_fate)

    def subscribe(
        self,
        streams: str | Sequence[str] | v1.SubscribeFramesRequest,
        *,
        start: Start = "live",
        pictures: Pictures = "processed",
        cursors: CursorStore | str | os.PathLike[str] | None = None,
        save_seconds: float = 1.0,
        max_quiet_seconds: float = 60.0,
    ) -> Subscription:
        """Returns an asynchronous iterator over frames and gaps, as `frameway.Client.subscribe` does."""
        request = events.subscription(streams, start, pictures, self.max_message_bytes)
        return Subscription(self, request, Reader(request, store_of(cursors), save_seconds), max_quiet_seconds)

    def subscribe_messages(
        self, request: v1.SubscribeFramesRequest, max_quiet_seconds: float = 60.0
    ) -> Follow[v1.SubscribeFramesResponse]:
        """Yields every message of the server, as `frameway.Client.subscribe_messages` does."""
        return Follow(self, following.Subscription(request), max_quiet_seconds)

    def consume(
        self,
        group_id: str,
        handler: Handler,
        *,
        member_id: str = "",
        workers: int = 1,
        pictures: Pictures = "processed",
        max_outstanding_frames: int | None = None,
        max_outstanding_bytes: int = 64 << 20,
        on_gap: Callable[[Gap], Any] | None = None,
        max_quiet_seconds: float = 60.0,
    ) -> Consumer:
        """Joins a group, and calls a coroutine function for each frame, as `frameway.Client.consume` does."""
        member = member_id or default_member_id()
        request = events.membership(
            group_id, member, max_outstanding_frames, max_outstanding_bytes, pictures, self.max_message_bytes
        )
        return Consumer(self, request, handler, on_gap, workers, max_quiet_seconds)

    def consume_messages(
        self, request: v1.ConsumeFramesRequest, max_quiet_seconds: float = 60.0
    ) -> Follow[v1.ConsumeFramesResponse]:
        """Yields every message of the server, as `frameway.Client.consume_messages` does."""
        return Follow(self, Membership(request), max_quiet_seconds)

    async def latest(
        self, streams: str | Sequence[str], *, pictures: Pictures = "processed", timeout_seconds: float = 10.0
    ) -> Mapping[str, Latest]:
        """Returns the newest frame of each stream, as `frameway.Client.latest` does."""
        request = v1.GetLatestFramesRequest(stream_ids=[streams] if isinstance(streams, str) else streams)
        request.pictures.CopyFrom(events.selection(pictures, self.max_message_bytes))
        return events.latest(await self.read(self.streaming.GetLatestFrames, request, timeout_seconds))

    async def server_info(self, timeout_seconds: float = 10.0) -> v1.GetServerInfoResponse:
        """Returns what the server is, as `frameway.Client.server_info` does."""
        return await self.read(self.streaming.GetServerInfo, v1.GetServerInfoRequest(), timeout_seconds)

    async def read(self, method: Callable[..., Awaitable[_Answer]], request: Any, timeout_seconds: float) -> _Answer:
        """Makes a call that is safe to retry, at each address in turn until the time is over."""
        deadline = time.monotonic() + timeout_seconds
        if not self._checked:
            await asyncio.to_thread(check_plaintext, self.route.address)
            self._checked = True
        for left in reversed(range(len(self.route.addresses))):
            address = self.route.address
            try:
                share = max(0.05, (deadline - time.monotonic()) / (left + 1))
                self.check()
                return await method(request, timeout=share)
            except grpc.RpcError as error:
                failure = await self.explain(error, address)
                if retry_delay(failure) is None or left == 0:
                    raise failure from None
                self.route.leave(address)
        raise AssertionError("a client has an address")

    def check(self) -> None:
        """Raises ClientClosed if the client is closed."""
        if self.closed:
            raise ClientClosed

    async def explain(self, error: grpc.RpcError, address: Address, *, probe: bool = True) -> CallError:
        """Returns the error with what to do about it; ClientClosed if the client is closed."""
        if self.closed and error.code() == grpc.StatusCode.CANCELLED:
            return error if isinstance(error, ClientClosed) else ClientClosed()
        return await asyncio.to_thread(explain, error, address, self.secret, probe=probe)

    def log_retry(self, method: str, error: CallError | None, pause: float) -> None:
        self.logger.info("%s continues in %.1f s: %s", method, pause, error or "the server drains, or its position is asked for again")


class _Signal:
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


class _Watched(Generic[_Answer]):
    """The messages of a call, which is cancelled if the reader waits for one for too long."""

    def __init__(self, call: Any, first_seconds: float, seconds: float) -> None:
        self._call = call
        self._allowed = first_seconds
        self._seconds = seconds
        self._closed = False
        self.silent = False
        """True if the call was cancelled because no message arrived in time."""

    async def read(self) -> _Answer | None:
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


class Follow(Generic[Message]):
    """Yields every message of a call, and of the calls that continue it. Another task may close it."""

    def __init__(self, client: Client, resumption: Resumption[Message], max_quiet_seconds: float) -> None:
        self._client = client
        self._resumption: Resumption[Message] = resumption
        self._state: Following[Message] = Following(resumption, max_quiet_seconds, time.monotonic())
        self._address = client.route.address
        self._call: _Watched[Message] | None = None
        self._stopped = False
        self._changed = _Signal()
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
        self._call = _Watched(call, self._state.first_seconds, self._state.silence_seconds)

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


class Publisher:
    """Sends frames so that each is stored once and in order, as `frameway.Publisher` does."""

    def __init__(
        self, client: Client, publisher_id: str, limits: Limits, on_fate: Callable[[v1.Frame, Fate], None] | None
    ) -> None:
        if not publisher_id:
            raise ConfigError("a publisher needs an id: with it, the server stores a frame that is sent twice once")
        self._client = client
        self._on_fate = on_fate
        self._changed = _Signal()
        self._outbox = Outbox(publisher_id, limits, time.monotonic())
        self._error: Error | None = None
        self._stopped = False
        self._call: _Watched[v1.SubmitFramesResponse] | None = None
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
            call: _Watched[v1.SubmitFramesResponse] = _Watched(opened, self._outbox.first_seconds, self._outbox.silence_seconds)
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
        self._changed = _Signal()
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
