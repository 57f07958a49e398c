"""The state of a long call that continues over any number of calls. It does no I/O and has no clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import grpc
from google.protobuf import message as protobuf

from frameway import v1
from frameway.errors import DeadlineExceeded, seconds
from frameway.retry import backoff_seconds, retry_delay

HEARTBEAT_SECONDS = 5.0
"""The interval of heartbeats that the layer asks for."""
_SERVERS_HEARTBEAT_SECONDS = 10.0
"""The server's interval if a request does not state another."""
MAX_SILENT_HEARTBEATS = 3
"""The number of heartbeat intervals without a message after which the connection counts as lost."""
FIRST_MESSAGE_SECONDS = 15.0
"""The minimum wait for the first message: the server first looks up the start of every stream."""
_MAX_SILENCE_SECONDS = 300.0
"""The maximum wait for one message. A large picture over a slow link may take long."""

Message = TypeVar("Message", v1.SubscribeFramesResponse, v1.ConsumeFramesResponse)
_Recorded = TypeVar("_Recorded", bound=protobuf.Message, contravariant=True)
_Request = TypeVar("_Request", bound=protobuf.Message)


class Resumption(Protocol[_Recorded]):
    """The request of a long call, and its progress."""

    heartbeat_seconds: float
    """The interval of the server's heartbeats."""

    @property
    def method(self) -> str:
        """The name of the RPC."""

    def request(self) -> Any:
        """Returns the request of a call that continues where the last one ended."""

    def record(self, message: _Recorded) -> bool:
        """Records the progress. Returns True if no further message is wanted."""


class Subscription:
    """Resumes after the newest cursor of each stream.

    With `cursors`, the first call resumes after these.
    """

    method = "SubscribeFrames"

    def __init__(self, request: v1.SubscribeFramesRequest, cursors: dict[str, str] | None = None) -> None:
        self._request = copy_of(request)
        self.cursors: dict[str, str] = dict(cursors or {})
        self.heartbeat_seconds = _heartbeat_seconds(request)

    def request(self) -> v1.SubscribeFramesRequest:
        request = copy_of(self._request)
        for selector in request.selectors:
            ids = {one.id for one in selector.streams}
            # A glob or labels may select any stream.
            known = sorted(item for item in self.cursors.items() if "" in ids or item[0] in ids)
            # While no cursor is known, the selector is sent unchanged.
            if known:
                del selector.start.cursors.cursors[:]
                for stream_id, cursor in known:
                    selector.start.cursors.cursors.add(stream_id=stream_id, cursor=cursor)
        return request

    def record(self, message: v1.SubscribeFramesResponse) -> bool:
        match message.WhichOneof("event"):
            case "frame":
                self._advance([(message.frame.frame.stream_id, message.frame.cursor)])
                return _count_down(self._request)
            case "gap":
                self._advance([(message.gap.gap.stream_id, message.gap.cursor)])
            case "checkpoint":
                self._advance([(one.stream_id, one.cursor) for one in message.checkpoint.cursors])
            case "draining":
                self._advance([(one.stream_id, one.cursor) for one in message.draining.cursors])
        return False

    def _advance(self, cursors: Sequence[tuple[str, str]]) -> None:
        self.cursors.update((stream_id, cursor) for stream_id, cursor in cursors if cursor)


class Membership:
    """Joins the group again under the same member id.

    The server knows which frames the member has not acknowledged.
    """

    method = "ConsumeFrames"

    def __init__(self, request: v1.ConsumeFramesRequest) -> None:
        self._request = copy_of(request)
        self.heartbeat_seconds = _heartbeat_seconds(request)

    def request(self) -> v1.ConsumeFramesRequest:
        return copy_of(self._request)

    def record(self, message: v1.ConsumeFramesResponse) -> bool:
        return message.WhichOneof("event") == "frame" and _count_down(self._request)


class Following(Generic[Message]):
    """Decides how long a call may be silent, whether another one follows, and after which pause."""

    def __init__(self, resumption: Resumption[Message], max_quiet_seconds: float, now: float) -> None:
        self._resumption: Resumption[Message] = resumption
        self._max_quiet_seconds = max_quiet_seconds
        self._usual_silence = MAX_SILENT_HEARTBEATS * max(resumption.heartbeat_seconds, 1.0)
        self._quiet_since = now
        self._attempt = 0
        self._drain_delay = 0.0
        self.silence_seconds = self._usual_silence
        """The maximum wait for a message of the next call."""
        self.fresh = True
        """True until a call has brought a message."""
        self.done = False
        """True after the last message that is wanted."""

    @property
    def first_seconds(self) -> float:
        """The maximum wait for the first message of the next call."""
        return max(self.silence_seconds, FIRST_MESSAGE_SECONDS)

    def received(self, message: Message, now: float) -> None:
        """Records a message."""
        self.fresh = False
        event = message.WhichOneof("event")
        # A checkpoint or `ready` is no progress: every call begins with one, even a call that then
        # fails.
        if event in ("frame", "gap", "heartbeat"):
            self._quiet_since = now
            self.silence_seconds = self._usual_silence
        if event in ("frame", "gap"):
            self._attempt = 0
        if event == "draining":
            self._drain_delay = seconds(message.draining.reconnect_delay)
        self.done = self._resumption.record(message)

    def paused(self, for_seconds: float) -> None:
        """Adds time that the reader took for a message, which does not count as quiet."""
        self._quiet_since += for_seconds

    def failed(self, error: grpc.RpcError, silent: bool, now: float) -> float:
        """Returns the pause before another call. Raises the error if no other call is to follow.

        `silent` says that the call was ended because no message came in time.
        """
        quiet = now - self._quiet_since
        delay, self._drain_delay = self._drain_delay, 0.0
        if silent:
            if quiet >= self._max_quiet_seconds:
                raise DeadlineExceeded(
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                    f"the server sent nothing for {quiet:.0f} s",
                    hint="it hangs, it cannot be reached, or this connection has as many calls as the server allows",
                ) from error
            # A large picture over a slow link may be on its way: the next call waits longer.
            left = self._max_quiet_seconds - quiet
            self.silence_seconds = max(self._usual_silence, min(self.silence_seconds * 2, left, _MAX_SILENCE_SECONDS))
        else:
            requested = retry_delay(error)
            delay = max(delay, requested or 0.0)
            if requested is None or quiet + delay >= self._max_quiet_seconds:
                raise error
        self._attempt += 1
        left = self._max_quiet_seconds - quiet
        return delay or max(0.01, min(backoff_seconds(self._attempt), left))


def copy_of(request: _Request) -> _Request:
    """Returns a copy of a message."""
    copy = type(request)()
    copy.CopyFrom(request)
    return copy


def _heartbeat_seconds(request: v1.SubscribeFramesRequest | v1.ConsumeFramesRequest) -> float:
    stated = request.HasField("heartbeat_interval")
    return seconds(request.heartbeat_interval) if stated else _SERVERS_HEARTBEAT_SECONDS


def _count_down(request: v1.SubscribeFramesRequest | v1.ConsumeFramesRequest) -> bool:
    """Counts a frame for `stop_after_frames`, over all connections. Returns True for the last."""
    if not request.stop_after_frames:
        return False
    request.stop_after_frames -= 1
    return request.stop_after_frames == 0
