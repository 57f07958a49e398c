"""A thin layer over the generated stubs: connect, submit, subscribe, consume."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import grpc

from frameway import v1
from frameway.backoff import backoff_seconds
from frameway.channels import open_channel
from frameway.errors import FrameRefused, enum_name, error_reason, retry_delay_seconds
from frameway.following import Membership, Subscription, follow, seconds

# What a call may be sent again after, as the comment of every RPC says. CANCELLED, where this client did not cancel: a deadline
# that passed at a server or proxy in between may come back as that.
_RETRYABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


def connect(address: str, credentials: grpc.ChannelCredentials | None = None) -> Client:
    """Returns a client of the server at `address` (`host:port`). Without credentials the connection is not encrypted.

    Nothing is sent yet; the first call connects. Use it in a `with` block, or close it.
    """
    return Client(open_channel(address, credentials))


class Client:
    """A connection to a server. Its stubs have every RPC of the API, one for each service.

    `connect` makes one. A channel of your own needs keepalive options, and a second connection for acknowledgements where it
    carries many subscriptions: see `frameway.channels`.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.streaming = v1.StreamingServiceStub(channel)
        self.registry = v1.StreamRegistryServiceStub(channel)
        self.groups = v1.ConsumerGroupServiceStub(channel)
        self.dead_letters = v1.DeadLetterServiceStub(channel)
        self.queues = v1.QueueServiceStub(channel)
        self._closed = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection. Calls that other threads wait for raise grpc.RpcError with CANCELLED."""
        self._closed = True
        self.channel.close()

    def submit(
        self,
        frames: Sequence[v1.Frame],
        timeout_seconds: float = 30.0,
        call_timeout_seconds: float = 10.0,
    ) -> list[v1.FrameResult]:
        """Submits one batch until every frame is accepted or a duplicate, and returns the results in order.

        What the server refuses for now (a full queue), and what it could not confirm (a lost connection), is sent again, in
        order, until `timeout_seconds` have passed. A result without an outcome that this client knows comes from a newer server;
        it counts as unconfirmed. Give every frame a publisher_id and a publisher_sequence: without them, a frame that is sent
        again may be stored twice.

        Raises FrameRefused for the first frame that the server will not take as it is, TimeoutError when the time is up, and
        grpc.RpcError for any other status.
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
                answer = self.streaming.SubmitFrameBatch(request, timeout=min(call_timeout_seconds, left))
            except grpc.RpcError as error:
                told = self._retry_delay(error)
                if told is None:
                    raise
                delay = told
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
            time.sleep(delay)

    def subscribe(
        self, request: v1.SubscribeFramesRequest, max_quiet_seconds: float = 60.0
    ) -> Iterator[v1.SubscribeFramesResponse]:
        """Subscribes, and resumes after the last frame that was yielded whenever the connection is lost.

        Yields every message of the server: frames, gaps, heartbeats, checkpoints. Ends when the server ends the call, with all
        stop positions reached. A server that sends nothing for three heartbeat intervals counts as lost.

        Raises grpc.RpcError for a status that another call would end with, too: a stream that is not there, a message over this
        client's own limit. For one that another call may get past, it goes on until no frame, gap or heartbeat has come for
        `max_quiet_seconds`; then it raises that grpc.RpcError, or TimeoutError where the server was silent.

        `stop_after_frames` counts on over connections; `stop.frame_count` of a selector and `stop_at_head` start again with each.
        """
        return follow(Subscription(self.streaming, request), max_quiet_seconds, self._retry_delay)

    def consume(self, request: v1.ConsumeFramesRequest, max_quiet_seconds: float = 60.0) -> Iterator[v1.ConsumeFramesResponse]:
        """Joins a consumer group, and joins it again as the same member whenever the connection is lost.

        Yields every message of the server: ready, frames, gaps, heartbeats. Acknowledge each frame with
        `streaming.AcknowledgeFrames` before its `ack_expire_time`; frames that are not acknowledged when a connection is lost come
        again with the next, under the same ack ids, and `stop_after_frames` counts them again.

        Ends and raises as `subscribe` does, among others with ABORTED when another call joined under the same member id.
        """
        return follow(Membership(self.streaming, request), max_quiet_seconds, self._retry_delay)

    def _retry_delay(self, error: grpc.RpcError) -> float | None:
        """Returns how long to wait at least before the call is tried again; None if another call would end in the same way."""
        told = retry_delay_seconds(error)
        if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            # Without a delay or this reason, a message is too large: for the server, or for this client, which gives no reason.
            again = told is not None or error_reason(error) == "ERROR_REASON_SLOW_CONSUMER"
        else:
            again = error.code() in _RETRYABLE
        if self._closed or not again:
            return None
        return told or 0.0
