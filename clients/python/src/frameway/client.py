"""A thin layer over the generated stubs: connect, submit, subscribe."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence

import grpc

from frameway.v1 import (
    error_reason_pb2,
    frame_pb2,
    queue_service_pb2_grpc,
    streaming_service_pb2,
    streaming_service_pb2_grpc,
)

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""The server's own default for one message, either way."""

_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)

# What a call may be sent again after. The server says so in the comment of every RPC.
_RETRYABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class FrameRefused(Exception):
    """A frame that the server surely did not store, and will not as it is.

    `index` is the frame's place in the submitted list, `reason` the name of the ErrorReason without its prefix. `results` are
    those of the whole list; frames behind a refused one may be stored.
    """

    def __init__(self, index: int, error: frame_pb2.FrameError, results: Sequence[frame_pb2.FrameResult]) -> None:
        self.index = index
        self.reason = reason_name(error.reason)
        self.error = error
        self.results = results
        super().__init__(f"frame {index}: {self.reason}: {error.message}")


def reason_name(reason: int) -> str:
    """The name of an ErrorReason without its prefix; a number that this client does not know, as text."""
    try:
        return error_reason_pb2.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")
    except ValueError:
        return str(reason)


def connect(address: str, credentials: grpc.ChannelCredentials | None = None) -> Client:
    """A client of the server at `address` (`host:port`). Without credentials the connection is not encrypted.

    Nothing is sent yet; the first call connects. Use it in a `with` block, or close it.
    """
    if credentials is None:
        channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
    else:
        channel = grpc.secure_channel(address, credentials, options=_CHANNEL_OPTIONS)
    return Client(channel)


class Client:
    """A connection to a server. Its stubs, `streaming` and `queues`, have every RPC of the API."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.streaming = streaming_service_pb2_grpc.StreamingServiceStub(channel)
        self.queues = queue_service_pb2_grpc.QueueServiceStub(channel)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
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
                if error.code() not in _RETRYABLE:
                    raise
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
            if delay == 0:
                delay = _backoff_seconds(attempt)
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
        stop positions reached. Gives up, raising the last grpc.RpcError, when no message came for `max_quiet_seconds`.

        `stop_after_frames` counts on over connections; `stop.frame_count` of a selector starts again with each.
        """
        request = _copy(request)
        frames_left = request.stop_after_frames
        cursors: dict[str, str] = {}
        last_message = time.monotonic()
        attempt = 0
        while True:
            call = self.streaming.SubscribeFrames(request)
            try:
                for message in call:
                    last_message = time.monotonic()
                    attempt = 0
                    _remember(cursors, message)
                    if frames_left and message.WhichOneof("event") == "frame":
                        frames_left -= 1
                        if frames_left == 0:
                            yield message
                            return
                    yield message
                return
            except grpc.RpcError as error:
                slow = error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and bool(cursors)
                quiet = time.monotonic() - last_message > max_quiet_seconds
                if quiet or not (slow or error.code() in _RETRYABLE):
                    raise
            finally:
                call.cancel()
            request = _resumed(request, cursors, frames_left)
            attempt += 1
            time.sleep(_backoff_seconds(attempt))


def _backoff_seconds(attempt: int) -> float:
    # Spread over half to all of it, so that many clients do not come back at once.
    return min(5.0, 0.05 * 2 ** min(attempt, 10)) * random.uniform(0.5, 1.0)


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
