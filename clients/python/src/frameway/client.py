"""A thin layer over the generated stubs: connect, submit, subscribe, consume."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import grpc

from frameway import v1
from frameway.backoff import backoff_seconds
from frameway.channels import open_channel
from frameway.errors import ClientClosed, FrameRefused, enum_name, error_reason, retry_delay_seconds
from frameway.following import Membership, Resumption, Subscription, follow, seconds

# The status codes after which a call may be sent again, according to the comment of every RPC.
# CANCELLED is one of them unless this client cancelled the call: a server or a proxy may report a
# passed deadline in this way.
_RETRYABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)

_Answer = TypeVar("_Answer")


def connect(address: str, credentials: grpc.ChannelCredentials | None = None) -> Client:
    """Returns a client of the server at `address` (`host:port`).

    Without credentials, the connection is not encrypted. The first call opens the connection. Use
    the client in a `with` block, or close it.
    """
    return Client(open_channel(address, credentials))


class Client:
    """A client of a server, with a stub for each service of the API.

    `connect` creates a client. If you pass a channel of your own instead, give it keepalive
    options. If it carries many subscriptions, it also needs a second connection for
    acknowledgements. `frameway.channels` does both.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.streaming = v1.StreamingServiceStub(channel)
        self.registry = v1.StreamRegistryServiceStub(channel)
        self.groups = v1.ConsumerGroupServiceStub(channel)
        self.dead_letters = v1.DeadLetterServiceStub(channel)
        self.queues = v1.QueueServiceStub(channel)
        self._closed = threading.Event()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection. Calls in other threads then raise grpc.RpcError with CANCELLED.

        `submit`, `subscribe` and `consume` raise ClientClosed, a grpc.RpcError, even if they are
        pausing between two calls.
        """
        self._closed.set()
        self.channel.close()

    def submit(
        self,
        frames: Sequence[v1.Frame],
        timeout_seconds: float = 30.0,
        call_timeout_seconds: float = 10.0,
    ) -> list[v1.FrameResult]:
        """Submits a batch until every frame is accepted or a duplicate.

        Returns the results in the order of the frames. Frames that the server refuses for now (for
        example because a queue is full), and frames that it has not confirmed (for example because
        the connection was lost), are sent again, in order, until `timeout_seconds` have passed. A
        newer server may send an outcome that this client does not know; the frame then counts as
        unconfirmed. Give every frame a publisher_id and a publisher_sequence. Otherwise a frame that
        is sent again may be stored twice.

        Raises FrameRefused for the first frame that the server finally refuses, TimeoutError when
        the time is over, ClientClosed when the client is closed, and grpc.RpcError for any other
        status.
        """
        deadline = time.monotonic() + timeout_seconds
        results: list[v1.FrameResult | None] = [None] * len(frames)
        attempt = 0
        while True:
            open_indexes = [index for index, result in enumerate(results) if result is None]
            delay = 0.0
            last_error = "no answer"
            try:
                request = v1.SubmitFrameBatchRequest(frames=[frames[index] for index in open_indexes])
                left = max(0.1, deadline - time.monotonic())
                timeout = min(call_timeout_seconds, left)
                answer = self._call(lambda: self.streaming.SubmitFrameBatch(request, timeout=timeout))
            except grpc.RpcError as error:
                requested = self._retry_delay(error)
                if requested is None:
                    raise
                delay = requested
                last_error = f"{error.code().name}: {error.details()}"
            else:
                refused = None
                for index, result in zip(open_indexes, answer.results, strict=True):
                    match result.WhichOneof("outcome"):
                        case "accepted" | "duplicate":
                            results[index] = result
                            continue
                        case "rejected":
                            error = result.rejected
                            if not error.HasField("retry_delay") and refused is None:
                                refused = (index, error, answer.results)
                        case "unconfirmed":
                            error = result.unconfirmed
                        case _:
                            error = v1.ItemError(message="an outcome that this client does not know")
                    last_error = f"{enum_name(v1.ErrorReason, error.reason)}: {error.message}"
                    delay = max(delay, seconds(error.retry_delay))
                if refused is not None:
                    raise FrameRefused(*refused)
                if all(result is not None for result in results):
                    return [result for result in results if result is not None]
            attempt += 1
            delay = delay or backoff_seconds(attempt)
            if time.monotonic() + delay > deadline:
                open_count = sum(result is None for result in results)
                raise TimeoutError(f"{open_count} of {len(frames)} frames not confirmed; last: {last_error}")
            self._pause(delay)

    def subscribe(
        self, request: v1.SubscribeFramesRequest, max_quiet_seconds: float = 60.0
    ) -> Iterator[v1.SubscribeFramesResponse]:
        """Subscribes. If the connection is lost, resumes after the last frame that was yielded.

        Yields every message of the server: frames, gaps, heartbeats and checkpoints. Ends when the
        server ends the call because all stop positions are reached. If the server sends nothing for
        three heartbeat intervals, the connection counts as lost.

        Raises grpc.RpcError at once for a status that another call would have, too, such as an
        unknown stream or a message over the limit of this client. After any other status it calls
        again. It gives up when no frame, gap or heartbeat has arrived for `max_quiet_seconds`, or
        when the server requests a pause that would exceed that time. It then raises the last
        grpc.RpcError, or TimeoutError if the server was silent. Raises ClientClosed when the client
        is closed.

        `stop_after_frames` counts the frames of all connections together. The `stop.frame_count` of
        a selector and `stop_at_head` start again with each connection.
        """
        return self._follow(Subscription(self.streaming, request), max_quiet_seconds)

    def consume(self, request: v1.ConsumeFramesRequest, max_quiet_seconds: float = 60.0) -> Iterator[v1.ConsumeFramesResponse]:
        """Joins a consumer group. If the connection is lost, joins again as the same member.

        Yields every message of the server: ready, frames, gaps and heartbeats. Acknowledge each
        frame with `streaming.AcknowledgeFrames` before its `ack_expire_time`. Frames that were not
        acknowledged when a connection was lost are sent again over the next one, with the same ack
        ids, and `stop_after_frames` counts them again.

        Ends and raises as `subscribe` does. When another call has joined under the same member id,
        it raises grpc.RpcError with ABORTED.
        """
        return self._follow(Membership(self.streaming, request), max_quiet_seconds)

    def _retry_delay(self, error: grpc.RpcError) -> float | None:
        """Returns the minimum pause before another call; None if that would have the same error.

        Raises ClientClosed if another call could succeed, but the client is closed.
        """
        requested = retry_delay_seconds(error)
        if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            # Without a delay and without this reason, a message is too large: for the server, or
            # for this client (then there is no reason).
            retryable = requested is not None or error_reason(error) == "ERROR_REASON_SLOW_CONSUMER"
        else:
            retryable = error.code() in _RETRYABLE
        if not retryable:
            return None
        if self._closed.is_set():
            raise ClientClosed from error
        return requested or 0.0

    def _follow(self, resumption: Resumption[_Answer], max_quiet_seconds: float) -> Iterator[_Answer]:
        return follow(resumption, max_quiet_seconds, self._call, self._retry_delay, self._pause)

    def _call(self, call: Callable[[], _Answer]) -> _Answer:
        """Makes a call; raises ClientClosed if the connection is closed."""
        try:
            return call()
        except ValueError:
            # gRPC raises ValueError for a call on a closed channel.
            if self._closed.is_set():
                raise ClientClosed from None
            raise

    def _pause(self, pause_seconds: float) -> None:
        """Waits before another call; raises ClientClosed as soon as the client is closed."""
        if self._closed.wait(pause_seconds):
            raise ClientClosed
