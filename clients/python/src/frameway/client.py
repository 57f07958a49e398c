"""The client for threads: connect, publish, subscribe, consume, latest."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import grpc

from frameway import events, v1
from frameway.addresses import Address, Route
from frameway.channels import MAX_MESSAGE_BYTES, Channels, open_channel, settings
from frameway.consumer import Consumer, Handler
from frameway.credentials import Credentials, Secret
from frameway.cursors import CursorStore
from frameway.errors import CallError, ClientClosed, FrameRefused, enum_name, seconds
from frameway.events import Gap, Latest, Pictures, Reader, Start, store_of
from frameway.follow import Follow
from frameway.following import Membership
from frameway.following import Subscription as Progress
from frameway.outbox import Limits
from frameway.publisher import Publisher
from frameway.retry import backoff_seconds, check_plaintext, explain, retry_delay
from frameway.stream_queue import Fate
from frameway.subscription import Subscription

_Answer = TypeVar("_Answer")
_CONNECT_SECONDS = 60.0
"""The maximum time of a call that only waits for a connection."""


def connect(
    address: str | Sequence[str],
    credentials: Credentials | grpc.ChannelCredentials | None = None,
    *,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    logger: logging.Logger | None = None,
) -> Client:
    """Returns a client of the server at `address`, or of the first of several servers that answers.

    An address is `host:port`, `https://host:port` for TLS, or `unix:` and a path. The first call
    opens the connection. Use the client in a `with` block, or close it. Raises ConfigError if an
    argument cannot be used.
    """
    made = settings(address, credentials, max_message_bytes)
    client = Client(open_channel(made), route=made.route, max_message_bytes=max_message_bytes, logger=logger)
    client.secret = made.secret
    return client


class Client:
    """A client of a server, with a stub for each service of the API. Threads may share it.

    `connect` creates a client. If you pass a channel of your own instead, give it keepalive
    options. If it carries many subscriptions, it also needs a second connection for
    acknowledgements. `frameway.channels` does both.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        *,
        route: Route | None = None,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        logger: logging.Logger | None = None,
    ) -> None:
        self.channel = channel
        self.secret: Secret | None = None
        self.route = route or Route([Address("the server", 0, tls=True)])
        self.max_message_bytes = max_message_bytes
        self.logger = logger or logging.getLogger("frameway")
        self.streaming = v1.StreamingServiceStub(channel)
        long: Any = channel.for_long_calls() if isinstance(channel, Channels) else channel
        self._over_long = v1.StreamingServiceStub(long).GetServerInfo
        self._over_unary = self.streaming.GetServerInfo
        self.registry = v1.StreamRegistryServiceStub(channel)
        self.groups = v1.ConsumerGroupServiceStub(channel)
        self.dead_letters = v1.DeadLetterServiceStub(channel)
        self.queues = v1.QueueServiceStub(channel)
        self.opened: weakref.WeakSet[Any] = weakref.WeakSet()
        """The subscriptions, consumers and publishers that end with the client."""
        self._closed = threading.Event()
        self._checked = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        """Closes the connection. Calls in other threads then raise grpc.RpcError with CANCELLED.

        The calls of this layer raise ClientClosed, a grpc.RpcError, even if they are pausing between
        two calls. Close publishers and consumers first, so that they can finish.
        """
        self._closed.set()
        for one in list(self.opened):
            one.client_closed()
        self.channel.close()

    # --- Publish. ---

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
        """Returns a publisher, which sends a continuous flow of frames. Use it in a `with` block, or close it.

        A batch has at most `batch_frames` frames and `batch_bytes` bytes; it waits up to
        `batch_seconds` for more frames. `max_bytes` bounds the undecided frames; at most 1,000 are
        held. After `max_quiet_seconds` without a decision, the publisher gives up. `on_fate` is
        called for each decided frame, in the publisher's thread; it must not publish or wait.
        """
        limits = Limits(batch_frames, batch_bytes, batch_seconds, max_bytes, max_quiet_seconds)
        return Publisher(self, publisher_id, limits, on_fate)

    def submit(
        self,
        frames: Sequence[v1.Frame],
        timeout_seconds: float = 30.0,
        call_timeout_seconds: float = 10.0,
    ) -> list[v1.FrameResult]:
        """Submits a batch until every frame is accepted or a duplicate. For a flow of frames, use `publisher`.

        Returns the results in the order of the frames. Frames that the server refuses for now (for
        example because a queue is full), and frames that it has not confirmed (for example because
        the connection was lost), are sent again, in order, until `timeout_seconds` have passed. A
        newer server may send an outcome that this client does not know; the frame then counts as
        unconfirmed. Give every frame a publisher_id and a publisher_sequence. Otherwise a frame that
        is sent again may be stored twice.

        Raises FrameRefused for the first frame that the server finally refuses, TimeoutError when
        the time is over, ClientClosed when the client is closed, and CallError for any other status.
        """
        deadline = time.monotonic() + timeout_seconds
        results: list[v1.FrameResult | None] = [None] * len(frames)
        attempt = 0
        self._check_plaintext()
        while True:
            open_indexes = [index for index, result in enumerate(results) if result is None]
            delay = 0.0
            last_error = "no answer"
            address = self.route.address
            try:
                request = v1.SubmitFrameBatchRequest(frames=[frames[index] for index in open_indexes])
                timeout = min(call_timeout_seconds, max(0.1, deadline - time.monotonic()))
                answer = self.call(functools.partial(self.streaming.SubmitFrameBatch, request, timeout=timeout))
            except grpc.RpcError as error:
                failure = self.explain(error, address, probe=attempt == 0)
                requested = retry_delay(failure)
                if requested is None:
                    raise failure from None
                if self.closed:
                    raise ClientClosed from None
                delay = requested
                last_error = str(failure)
                self.route.leave(address)
            else:
                refused = None
                for index, result in zip(open_indexes, answer.results, strict=True):
                    match result.WhichOneof("outcome"):
                        case "accepted" | "duplicate":
                            results[index] = result
                            continue
                        case "rejected":
                            item = result.rejected
                            if not item.HasField("retry_delay") and refused is None:
                                refused = FrameRefused(frames[index], item, index, answer.results)
                        case "unconfirmed":
                            item = result.unconfirmed
                        case _:
                            item = v1.ItemError(message="an outcome that this client does not know")
                    last_error = f"{enum_name(v1.ErrorReason, item.reason)}: {item.message}"
                    delay = max(delay, seconds(item.retry_delay))
                if refused is not None:
                    raise refused
                if all(result is not None for result in results):
                    return [result for result in results if result is not None]
            attempt += 1
            delay = delay or backoff_seconds(attempt)
            if time.monotonic() + delay > deadline:
                open_count = sum(result is None for result in results)
                raise TimeoutError(f"{open_count} of {len(frames)} frames not confirmed; last: {last_error}")
            self._pause(delay)

    # --- Subscribe. ---

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
        """Returns an iterator over the frames and gaps of streams, which continues over any number of connections.

        `streams` are ids or patterns, or a whole request. Without stored cursors, each stream begins
        at `start`. With `cursors` (a store, or the path of a file), the positions of handled events
        are stored every `save_seconds` and at the end; a restarted program continues after them.

        Iterating raises CallError for what another call would not change, such as an unknown stream;
        TimeoutError after `max_quiet_seconds` without a frame, a gap or a heartbeat; CursorError if
        the cursors cannot be read or stored.
        """
        request = events.subscription(streams, start, pictures, self.max_message_bytes)
        return Subscription(self, request, Reader(request, store_of(cursors), save_seconds), max_quiet_seconds)

    def subscribe_messages(
        self, request: v1.SubscribeFramesRequest, max_quiet_seconds: float = 60.0
    ) -> Iterator[v1.SubscribeFramesResponse]:
        """Subscribes as `subscribe` does, and yields every message of the server: also heartbeats and checkpoints."""
        return Follow(self, Progress(request), max_quiet_seconds)

    # --- Consume. ---

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
        """Joins a consumer group, and calls `handler` for each frame, in `workers` threads.

        Returns at once; `Consumer.wait` waits, and `Consumer.close` ends the membership. Each member
        needs an id of its own, which it keeps over restarts; by default it is made of the names of
        the host and of the process. `max_outstanding_bytes` bounds the frames that wait here.
        """
        member = member_id or default_member_id()
        request = events.membership(
            group_id, member, max_outstanding_frames, max_outstanding_bytes, pictures, self.max_message_bytes
        )
        return Consumer(self, request, handler, on_gap, workers, max_quiet_seconds)

    def consume_messages(
        self, request: v1.ConsumeFramesRequest, max_quiet_seconds: float = 60.0
    ) -> Iterator[v1.ConsumeFramesResponse]:
        """Joins a group as a member, and joins again when the connection is lost.

        Yields every message of the server: frames, gaps, heartbeats and `ready`. Acknowledge each
        frame with `streaming.AcknowledgeFrames` before its `ack_expire_time`. Frames that were not
        acknowledged when a connection was lost are sent again over the next one, with the same ack
        ids, and `stop_after_frames` counts them again.

        Ends and raises as `subscribe` does. When another call has joined under the same member id,
        it raises CallError with ABORTED.
        """
        return Follow(self, Membership(request), max_quiet_seconds)

    # --- Read. ---

    def latest(
        self, streams: str | Sequence[str], *, pictures: Pictures = "processed", timeout_seconds: float = 10.0
    ) -> Mapping[str, Latest]:
        """Returns the newest frame of each stream, or the reason that there is none.

        Raises DeadlineExceeded when the time is over, and CallError for any other failure.
        """
        request = v1.GetLatestFramesRequest(stream_ids=[streams] if isinstance(streams, str) else streams)
        request.pictures.CopyFrom(events.selection(pictures, self.max_message_bytes))
        return events.latest(self.read(self.streaming.GetLatestFrames, request, timeout_seconds))

    def server_info(self, timeout_seconds: float = 10.0) -> v1.GetServerInfoResponse:
        """Returns what the server is. Use it to see whether the address and the credentials are right.

        Raises as `latest` does.
        """
        return self.read(self.streaming.GetServerInfo, v1.GetServerInfoRequest(), timeout_seconds)

    def read(self, method: Callable[..., _Answer], request: Any, timeout_seconds: float) -> _Answer:
        """Makes a call that is safe to retry, at each address in turn until the time is over.

        If no server answers at all, gives up after gRPC's own retries at each address.
        """
        deadline = time.monotonic() + timeout_seconds
        self._check_plaintext()
        for left in reversed(range(len(self.route.addresses))):
            address = self.route.address
            try:
                share = max(0.05, (deadline - time.monotonic()) / (left + 1))
                return self.call(functools.partial(method, request, timeout=share))
            except grpc.RpcError as error:
                failure = self.explain(error, address)
                if retry_delay(failure) is None or left == 0:
                    raise failure from None
                self.route.leave(address)
        raise AssertionError("a client has an address")

    # --- For the parts of this layer. ---

    def call(self, make: Callable[[], _Answer]) -> _Answer:
        """Makes a call; raises ClientClosed if the connection is closed."""
        try:
            return make()
        except ValueError:
            # gRPC raises ValueError for a call on a closed channel.
            if self.closed:
                raise ClientClosed from None
            raise

    def explain(self, error: grpc.RpcError, address: Address, *, probe: bool = True) -> CallError:
        """Returns the error with what to do about it; ClientClosed if the client is closed."""
        if self.closed and error.code() == grpc.StatusCode.CANCELLED:
            return error if isinstance(error, ClientClosed) else ClientClosed()
        return explain(error, address, self.secret, probe=probe)

    def log_retry(self, method: str, error: CallError | None, pause: float) -> None:
        self.logger.info(
            "%s continues in %.1f s: %s", method, pause, error or "the server drains, or its position is asked for again"
        )

    @contextlib.contextmanager
    def connecting(self, *, unary: bool = False) -> Iterator[None]:
        """Lets gRPC connect during a pause.

        Without a call, gRPC for threads does not even read what a server answers to a new connection.
        So a call, whose answer does not matter, waits for the connection meanwhile.
        """
        waiting: Any = self._over_unary if unary else self._over_long
        request = v1.GetServerInfoRequest()
        call = self.call(lambda: waiting.future(request, timeout=_CONNECT_SECONDS, wait_for_ready=True))
        try:
            yield
        finally:
            call.cancel()

    def _check_plaintext(self) -> None:
        """Before the first call, raises an error if the server speaks TLS where this client does not."""
        if not self._checked:
            check_plaintext(self.route.address)
            self._checked = True

    def _pause(self, pause_seconds: float) -> None:
        """Waits before another call; raises ClientClosed as soon as the client is closed."""
        with self.connecting(unary=True):
            closed = self._closed.wait(pause_seconds)
        if closed:
            raise ClientClosed


def default_member_id() -> str:
    """Returns the names of the host and the process, in the characters of a member id."""
    name = "".join(character if character.isalnum() and character.isascii() else "-" for character in socket.gethostname())
    return f"{name[:50] or 'host'}-{os.getpid()}"
