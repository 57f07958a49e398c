"""The client for asyncio: connect, publish, subscribe, consume, latest."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from frameway import events, following, v1
from frameway.addresses import Address
from frameway.aio.consumer import Consumer, Handler
from frameway.aio.follow import Follow
from frameway.aio.publisher import Publisher
from frameway.aio.subscription import Subscription
from frameway.channels import MAX_MESSAGE_BYTES, Settings, open_aio_channel, settings
from frameway.client import default_member_id
from frameway.credentials import Credentials
from frameway.cursors import CursorStore
from frameway.errors import CallError, ClientClosed
from frameway.events import Gap, Latest, Pictures, Reader, Start, store_of
from frameway.following import Membership
from frameway.outbox import Limits
from frameway.retry import check_plaintext, explain, retry_delay
from frameway.stream_queue import Fate

if TYPE_CHECKING:
    from frameway.v1.consumer_group_service_pb2_grpc import ConsumerGroupServiceAsyncStub
    from frameway.v1.dead_letter_service_pb2_grpc import DeadLetterServiceAsyncStub
    from frameway.v1.queue_service_pb2_grpc import QueueServiceAsyncStub
    from frameway.v1.stream_registry_service_pb2_grpc import StreamRegistryServiceAsyncStub
    from frameway.v1.streaming_service_pb2_grpc import StreamingServiceAsyncStub

_Answer = TypeVar("_Answer")


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
        self.logger.info(
            "%s continues in %.1f s: %s", method, pause, error or "the server drains, or its position is asked for again"
        )
