"""Long calls, which continue when a connection is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import grpc
from google.protobuf import duration_pb2

from frameway import v1
from frameway.backoff import backoff_seconds
from frameway.watchdog import Watched

_DEFAULT_HEARTBEAT_SECONDS = 10.0
"""The server's interval if a request does not state another."""
_MAX_SILENT_HEARTBEATS = 3
"""The number of heartbeat intervals without a message after which the connection counts as lost."""
_FIRST_MESSAGE_SECONDS = 15.0
"""The minimum wait for the first message: the server first looks up the start of every stream."""
_MAX_SILENCE_SECONDS = 300.0
"""The maximum wait for one message. A large picture over a slow link may take long."""

_Request = TypeVar("_Request", v1.SubscribeFramesRequest, v1.ConsumeFramesRequest)
_Message = TypeVar("_Message")


class Resumption(Protocol[_Message]):
    """The request of a long call, and its progress."""

    heartbeat_seconds: float
    """The interval of the server's heartbeats."""

    def call(self) -> Iterator[_Message]:
        """Opens a call that continues where the last one ended."""

    def record(self, message: _Message) -> bool:
        """Records the progress. Returns True if no further message is wanted."""


class Subscription:
    """Resumes after the newest cursor of each stream."""

    def __init__(self, stub: v1.StreamingServiceStub, request: v1.SubscribeFramesRequest) -> None:
        self._stub = stub
        self._request = _copy(request)
        self._cursors: dict[str, str] = {}
        self.heartbeat_seconds = _heartbeat_seconds(request)

    def call(self) -> Iterator[v1.SubscribeFramesResponse]:
        request = _copy(self._request)
        # While no cursor is known, the request is sent unchanged.
        if self._cursors:
            for selector in request.selectors:
                cursors = selector.start.cursors
                del cursors.cursors[:]
                for stream_id, cursor in sorted(self._cursors.items()):
                    cursors.cursors.add(stream_id=stream_id, cursor=cursor)
        return self._stub.SubscribeFrames(request)

    def record(self, message: v1.SubscribeFramesResponse) -> bool:
        match message.WhichOneof("event"):
            case "frame":
                if message.frame.cursor:
                    self._cursors[message.frame.frame.stream_id] = message.frame.cursor
                return _count_down(self._request)
            case "gap":
                if message.gap.cursor:
                    self._cursors[message.gap.gap.stream_id] = message.gap.cursor
            case "checkpoint":
                self._record_cursors(message.checkpoint.cursors)
            case "draining":
                self._record_cursors(message.draining.cursors)
        return False

    def _record_cursors(self, cursors) -> None:
        self._cursors.update((cursor.stream_id, cursor.cursor) for cursor in cursors)


class Membership:
    """Joins the group again under the same member id.

    The server knows which frames the member has not acknowledged.
    """

    def __init__(self, stub: v1.StreamingServiceStub, request: v1.ConsumeFramesRequest) -> None:
        self._stub = stub
        self._request = _copy(request)
        self.heartbeat_seconds = _heartbeat_seconds(request)

    def call(self) -> Iterator[v1.ConsumeFramesResponse]:
        return self._stub.ConsumeFrames(self._request)

    def record(self, message: v1.ConsumeFramesResponse) -> bool:
        return message.WhichOneof("event") == "frame" and _count_down(self._request)


def follow(
    resumption: Resumption[_Message],
    max_quiet_seconds: float,
    open_call: Callable[[Callable[[], Iterator[_Message]]], Iterator[_Message]],
    retry_delay: Callable[[grpc.RpcError], float | None],
    pause: Callable[[float], None],
) -> Iterator[_Message]:
    """Yields every message of a call, and of the calls that continue it.

    `open_call` opens each call. `retry_delay` returns the minimum pause after an error, or None if
    the error is to be raised. `pause` waits for a number of seconds.
    """
    usual_silence = _MAX_SILENT_HEARTBEATS * max(resumption.heartbeat_seconds, 1.0)
    silence = usual_silence
    quiet_since = time.monotonic()
    attempt = 0
    while True:
        delay = 0.0
        call = Watched(open_call(resumption.call), max(silence, _FIRST_MESSAGE_SECONDS), silence)
        try:
            for message in call:
                event = message.WhichOneof("event")
                # A checkpoint or `ready` is no progress: every call begins with one, even a call
                # that then fails.
                if event in ("frame", "gap", "heartbeat"):
                    quiet_since = time.monotonic()
                    silence = usual_silence
                if event in ("frame", "gap"):
                    attempt = 0
                if event == "draining":
                    delay = seconds(message.draining.reconnect_delay)
                done = resumption.record(message)
                yielded_at = time.monotonic()
                yield message
                if done:
                    return
                # The time that the caller takes for a message does not count.
                quiet_since += time.monotonic() - yielded_at
            return
        except grpc.RpcError as error:
            quiet = time.monotonic() - quiet_since
            if call.silent:
                if quiet >= max_quiet_seconds:
                    raise TimeoutError(
                        f"the server sent nothing for {quiet:.0f} s: it hangs, it cannot be reached, or this "
                        "connection has as many calls as the server allows"
                    ) from error
                # A large picture over a slow link may be on its way: the next call waits longer.
                silence = max(usual_silence, min(silence * 2, max_quiet_seconds - quiet, _MAX_SILENCE_SECONDS))
            else:
                requested = retry_delay(error)
                delay = max(delay, requested or 0.0)
                if requested is None or quiet + delay >= max_quiet_seconds:
                    raise
        finally:
            call.close()
        attempt += 1
        left = max_quiet_seconds - (time.monotonic() - quiet_since)
        pause(delay or max(0.0, min(backoff_seconds(attempt), left)))


def seconds(duration: duration_pb2.Duration) -> float:
    """Converts a duration to seconds."""
    return duration.ToTimedelta().total_seconds()


def _heartbeat_seconds(request: _Request) -> float:
    return seconds(request.heartbeat_interval) if request.HasField("heartbeat_interval") else _DEFAULT_HEARTBEAT_SECONDS


def _copy(request: _Request) -> _Request:
    copy = type(request)()
    copy.CopyFrom(request)
    return copy


def _count_down(request: _Request) -> bool:
    """Counts a frame for `stop_after_frames`, over all connections. Returns True for the last."""
    if not request.stop_after_frames:
        return False
    request.stop_after_frames -= 1
    return request.stop_after_frames == 0
