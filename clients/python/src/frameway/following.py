"""Calls that last: what they yield, and how they go on when a connection is lost."""

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
"""The server's, where a request does not ask for another."""
_SILENT_HEARTBEATS = 3
"""A server that sends nothing for so many heartbeat intervals is gone."""
_FIRST_MESSAGE_SECONDS = 15.0
"""The least time for the first message, before which the server looks up where every stream starts."""
_LONGEST_SILENCE_SECONDS = 300.0
"""The longest time that is allowed for one message, which a slow link may need for a large picture."""

_Request = TypeVar("_Request", v1.SubscribeFramesRequest, v1.ConsumeFramesRequest)
_Message = TypeVar("_Message")


class Resumption(Protocol[_Message]):
    """What a call that lasts asks for, and how far it is."""

    heartbeat_seconds: float
    """How often the server says that it is alive."""

    def call(self) -> Iterator[_Message]:
        """Opens the call that goes on where the last one ended."""

    def remember(self, message: _Message) -> bool:
        """Keeps how far the call is; answers whether this message is the last that is wanted."""


class Subscription:
    """Resumes behind the newest cursor of each stream."""

    def __init__(self, stub: v1.StreamingServiceStub, request: v1.SubscribeFramesRequest) -> None:
        self._stub = stub
        self._request = _copy(request)
        self._cursors: dict[str, str] = {}
        self.heartbeat_seconds = _heartbeat_seconds(request)

    def call(self) -> Iterator[v1.SubscribeFramesResponse]:
        request = _copy(self._request)
        # Before any cursor is known, the request is sent as it was.
        if self._cursors:
            for selector in request.selectors:
                cursors = selector.start.cursors
                del cursors.cursors[:]
                for stream_id, cursor in sorted(self._cursors.items()):
                    cursors.cursors.add(stream_id=stream_id, cursor=cursor)
        return self._stub.SubscribeFrames(request)

    def remember(self, message: v1.SubscribeFramesResponse) -> bool:
        match message.WhichOneof("event"):
            case "frame":
                if message.frame.cursor:
                    self._cursors[message.frame.frame.stream_id] = message.frame.cursor
                return _count_down(self._request)
            case "gap":
                if message.gap.cursor:
                    self._cursors[message.gap.gap.stream_id] = message.gap.cursor
            case "checkpoint":
                self._keep(message.checkpoint.cursors)
            case "draining":
                self._keep(message.draining.cursors)
        return False

    def _keep(self, cursors) -> None:
        self._cursors.update((cursor.stream_id, cursor.cursor) for cursor in cursors)


class Membership:
    """Joins the group again under the same member id; the server knows what the member has not acknowledged."""

    def __init__(self, stub: v1.StreamingServiceStub, request: v1.ConsumeFramesRequest) -> None:
        self._stub = stub
        self._request = _copy(request)
        self.heartbeat_seconds = _heartbeat_seconds(request)

    def call(self) -> Iterator[v1.ConsumeFramesResponse]:
        return self._stub.ConsumeFrames(self._request)

    def remember(self, message: v1.ConsumeFramesResponse) -> bool:
        return message.WhichOneof("event") == "frame" and _count_down(self._request)


def follow(
    resumption: Resumption[_Message],
    max_quiet_seconds: float,
    retry_delay: Callable[[grpc.RpcError], float | None],
) -> Iterator[_Message]:
    """Yields every message of a call, and of the calls that go on after it.

    `retry_delay` answers how long to wait at least after an error; None = it is raised.
    """
    patience = _SILENT_HEARTBEATS * max(resumption.heartbeat_seconds, 1.0)
    silence = patience
    quiet_since = time.monotonic()
    attempt = 0
    while True:
        delay = 0.0
        call = Watched(resumption.call(), max(silence, _FIRST_MESSAGE_SECONDS), silence)
        try:
            for message in call:
                event = message.WhichOneof("event")
                # A checkpoint or `ready` proves nothing: every call begins with one, also a call that cannot go on.
                if event in ("frame", "gap", "heartbeat"):
                    quiet_since = time.monotonic()
                    silence = patience
                if event in ("frame", "gap"):
                    attempt = 0
                if event == "draining":
                    delay = seconds(message.draining.reconnect_delay)
                done = resumption.remember(message)
                handed_over = time.monotonic()
                yield message
                if done:
                    return
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
                told = retry_delay(error)
                if told is None or quiet >= max_quiet_seconds:
                    raise
                delay = max(delay, told)
        finally:
            call.close()
        attempt += 1
        time.sleep(delay or backoff_seconds(attempt))


def seconds(duration: duration_pb2.Duration) -> float:
    return duration.ToTimedelta().total_seconds()


def _heartbeat_seconds(request: _Request) -> float:
    return seconds(request.heartbeat_interval) if request.HasField("heartbeat_interval") else _DEFAULT_HEARTBEAT_SECONDS


def _copy(request: _Request) -> _Request:
    copy = type(request)()
    copy.CopyFrom(request)
    return copy


def _count_down(request: _Request) -> bool:
    """Counts a frame of `stop_after_frames`, which goes on over connections; answers whether it was the last."""
    if not request.stop_after_frames:
        return False
    request.stop_after_frames -= 1
    return request.stop_after_frames == 0
