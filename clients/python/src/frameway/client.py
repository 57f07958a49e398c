"""A thin layer over the generated stubs: connect, submit, subscribe."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence

import grpc

from frameway.channels import open_channel
from frameway.errors import FrameRefused, error_reason, reason_name, retry_delay_seconds
from frameway.v1 import (
    frame_pb2,
    queue_service_pb2_grpc,
    streaming_service_pb2,
    streaming_service_pb2_grpc,
)
from frameway.watchdog import Watched

# What a call may be sent again after, as the comment of every RPC says. CANCELLED, where this client did not cancel: a deadline
# that passed at a server or proxy in between may come back as that.
_RETRYABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)

_DEFAULT_HEARTBEAT_SECONDS = 10.0
"""The server's, where a request does not ask for another."""
_SILENT_HEARTBEATS = 3
"""A server that sends nothing for so many heartbeat intervals is gone."""
_FIRST_MESSAGE_SECONDS = 15.0
"""The least time for the first message, before which the server looks up where every stream starts."""
_LONGEST_SILENCE_SECONDS = 300.0
"""The longest time that is allowed for one message, which a slow link may need for a large picture."""
_LONGEST_PAUSE_SECONDS = 5.0
"""Between two calls, unless the server asks for more."""


def connect(address: str, credentials: grpc.ChannelCredentials | None = None) -> Client:
    """Returns a client of the server at `address` (`host:port`). Without credentials the connection is not encrypted.

    Nothing is sent yet; the first call connects. Use it in a `with` block, or close it.
    """
    return Client(open_channel(address, credentials))


class Client:
    """A connection to a server. Its stubs, `streaming` and `queues`, have every RPC of the API.

    `connect` makes one. A channel of your own needs keepalive options, and a second connection for acknowledgements where it
    carries many subscriptions: see `frameway.channels`.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.streaming = streaming_service_pb2_grpc.StreamingServiceStub(channel)
        self.queues = queue_service_pb2_grpc.QueueServiceStub(channel)
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
        frames: Sequence[frame_pb2.Frame],
        timeout_seconds: float = 30.0,
        call_timeout_seconds: float = 10.0,
    ) -> list[frame_pb2.FrameResult]:
        """Submits one batch until every frame is accepted or a duplicate, and returns the results in order.

        What the server refuses for now (a full queue), and what it could not confirm (a lost connection), is sent again, in
        order, until `timeout_seconds` have passed. Give every frame a publisher_id and a publisher_sequence: without them, a
        frame that is sent again may be stored twice.

        Raises FrameRefused for the first frame that the server will not take as it is, TimeoutError when the time is up, and
        grpc.RpcError for any other status.
        """
        deadline = time.monotonic() + timeout_seconds
        results: list[frame_pb2.FrameResult | None] = [None] * len(frames)
        attempt = 0
        while True:
            open_indexes = [index for index, result in enumerate(results) if result is None]
            delay = 0.0
            last_error = "no answer"
            try:
                request = streaming_service_pb2.SubmitFrameBatchRequest(frames=[frames[index] for index in open_indexes])
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
                    outcome = result.WhichOneof("outcome")
                    if outcome in ("accepted", "duplicate"):
                        results[index] = result
                        continue
                    error = result.rejected if outcome == "rejected" else result.unconfirmed
                    last_error = f"{reason_name(error.reason)}: {error.message}"
                    final = outcome == "rejected" and not error.HasField("retry_delay")
                    if final and refused is None:
                        refused = (index, error, answer.results)
                    delay = max(delay, error.retry_delay.ToTimedelta().total_seconds())
                if refused is not None:
                    raise FrameRefused(*refused)
                if all(result is not None for result in results):
                    return [result for result in results if result is not None]
            attempt += 1
            delay = delay or _backoff_seconds(attempt)
            if time.monotonic() + delay > deadline:
                open_count = sum(result is None for result in results)
                raise TimeoutError(f"{open_count} of {len(frames)} frames not confirmed; last: {last_error}")
            time.sleep(delay)

    def subscribe(
        self,
        request: streaming_service_pb2.SubscribeFramesRequest,
        max_quiet_seconds: float = 60.0,
    ) -> Iterator[streaming_service_pb2.SubscribeFramesResponse]:
        """Subscribes, and resumes after the last frame that was yielded whenever the connection is lost.

        Yields every message of the server: frames, gaps, heartbeats, checkpoints. Ends when the server ends the call, with all
        stop positions reached. A server that sends nothing for three heartbeat intervals counts as lost.

        Raises grpc.RpcError for a status that another call would end with, too: a stream that is not there, a message over this
        client's own limit. For one that another call may get past, it goes on until no frame, gap or heartbeat has come for
        `max_quiet_seconds`; then it raises that grpc.RpcError, or TimeoutError where the server was silent.

        `stop_after_frames` counts on over connections; `stop.frame_count` of a selector starts again with each.
        """
        request = _copy(request)
        frames_left = request.stop_after_frames
        cursors: dict[str, str] = {}
        patience = _silence_seconds(request)
        silence = patience
        quiet_since = time.monotonic()
        attempt = 0
        while True:
            delay = 0.0
            call = Watched(self.streaming.SubscribeFrames(request), max(silence, _FIRST_MESSAGE_SECONDS), silence)
            try:
                for message in call:
                    event = message.WhichOneof("event")
                    # A checkpoint proves nothing: every call begins with one, also a call that cannot go on.
                    if event in ("frame", "gap", "heartbeat"):
                        quiet_since = time.monotonic()
                        silence = patience
                    if event in ("frame", "gap"):
                        attempt = 0
                    _remember(cursors, message)
                    if event == "draining":
                        delay = message.draining.reconnect_delay.ToTimedelta().total_seconds()
                    if event == "frame" and frames_left:
                        frames_left -= 1
                        if frames_left == 0:
                            yield message
                            return
                    handed_over = time.monotonic()
                    yield message
                    # What the caller does with a message is no quiet of the server.
                    quiet_since += time.monotonic() - handed_over
                return
            except grpc.RpcError as error:
                quiet = time.monotonic() - quiet_since
                if call.silent:
                    if quiet >= max_quiet_seconds:
                        raise TimeoutError(
                            f"the server sent nothing for {quiet:.0f} s: it hangs, the way to it is cut, or this connection "
                            "has as many calls as the server allows"
                        ) from error
                    # A large picture on a slow link may be no silence: the next call may take longer for one.
                    silence = max(patience, min(silence * 2, max_quiet_seconds - quiet, _LONGEST_SILENCE_SECONDS))
                else:
                    told = self._retry_delay(error)
                    if told is None or quiet >= max_quiet_seconds:
                        raise
                    delay = max(delay, told)
            finally:
                call.close()
            request = _resumed(request, cursors, frames_left)
            attempt += 1
            time.sleep(delay or _backoff_seconds(attempt))

    def _retry_delay(self, error: grpc.RpcError) -> float | None:
        """Returns how long to wait at least before the call is tried again; None if another call would end in the same way."""
        told = retry_delay_seconds(error)
        if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            # Without a delay or this reason, a message is too large: for the server, or for this client, which gives no reason.
            again = told is not None or error_reason(error) == "SLOW_CONSUMER"
        else:
            again = error.code() in _RETRYABLE
        if self._closed or not again:
            return None
        return told or 0.0


def _silence_seconds(request: streaming_service_pb2.SubscribeFramesRequest) -> float:
    interval = _DEFAULT_HEARTBEAT_SECONDS
    if request.HasField("heartbeat_interval"):
        interval = request.heartbeat_interval.ToTimedelta().total_seconds()
    return _SILENT_HEARTBEATS * max(interval, 1.0)


def _backoff_seconds(attempt: int) -> float:
    # Spread over half to all of it, so that many clients do not come back at once.
    return min(_LONGEST_PAUSE_SECONDS, 0.05 * 2 ** min(attempt, 10)) * random.uniform(0.5, 1.0)


def _copy(request: streaming_service_pb2.SubscribeFramesRequest) -> streaming_service_pb2.SubscribeFramesRequest:
    copy = streaming_service_pb2.SubscribeFramesRequest()
    copy.CopyFrom(request)
    return copy


def _remember(cursors: dict[str, str], message: streaming_service_pb2.SubscribeFramesResponse) -> None:
    """Keeps the newest cursor of each stream."""
    event = message.WhichOneof("event")
    if event == "frame" and message.frame.cursor:
        cursors[message.frame.frame.stream_id] = message.frame.cursor
    elif event == "gap" and message.gap.cursor:
        cursors[message.gap.stream_id] = message.gap.cursor
    elif event == "checkpoint":
        cursors.update(_pairs(message.checkpoint.cursors))
    elif event == "draining":
        cursors.update(_pairs(message.draining.cursors))


def _pairs(cursors: Iterable[streaming_service_pb2.StreamCursor]) -> Iterator[tuple[str, str]]:
    return ((cursor.stream_id, cursor.cursor) for cursor in cursors)


def _resumed(
    request: streaming_service_pb2.SubscribeFramesRequest, cursors: dict[str, str], frames_left: int
) -> streaming_service_pb2.SubscribeFramesRequest:
    """The request that goes on where the last call ended. Before any cursor is known, the request itself."""
    resumed = _copy(request)
    resumed.stop_after_frames = frames_left
    if cursors:
        for selector in resumed.selectors:
            del selector.start.cursors.cursors[:]
            selector.start.cursors.cursors.extend(
                streaming_service_pb2.StreamCursor(stream_id=stream_id, cursor=cursor)
                for stream_id, cursor in sorted(cursors.items())
            )
    return resumed
