"""The state of a publisher: its undecided frames and its call. It does no I/O and has no clock.

Frames of a stream never overtake each other: after one of them is returned unconfirmed, the stream
sends nothing until all of its frames in flight are answered.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc

from frameway import v1
from frameway.errors import CallError, Error, seconds
from frameway.following import FIRST_MESSAGE_SECONDS, HEARTBEAT_SECONDS, MAX_SILENT_HEARTBEATS
from frameway.retry import MAX_REQUESTED_SECONDS, backoff_seconds, retry_delay
from frameway.stream_queue import Entry, Fate, StreamQueue, Throttle, decision, fate_of, is_taken

_FRAME_OVERHEAD_BYTES = 8
"""The maximum encoded size of the tag and length before each frame."""
_MESSAGE_MARGIN_BYTES = 1 << 16
"""The part of the maximum message size that a batch does not use."""
_MAX_FRAMES = 1_000
"""The maximum number of undecided frames. The server remembers 1,024 publisher sequences of a stream."""
_STREAM_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
_MAX_RESUME_STREAMS = 1_000
"""The maximum number of streams whose positions a call asks for."""


@dataclass
class Limits:
    """How a publisher batches, and what it holds."""

    batch_frames: int = 100
    batch_bytes: int = 4 << 20
    batch_seconds: float = 0.0
    max_bytes: int = 64 << 20
    max_quiet_seconds: float = 60.0


@dataclass
class _Batch:
    batch_id: int
    size: int
    entries: list[Entry]


class Step(NamedTuple):
    """What to send next: a request, or nothing for some seconds, or the end of the call."""

    request: v1.SubmitFramesRequest | None = None
    wait_seconds: float | None = None
    end: bool = False


Decided = list[tuple[Any, Fate]]
"""Decided frames: the ticket of each, and its fate."""


class Outbox:
    """All undecided frames of a publisher, and the protocol of its calls."""

    def __init__(self, publisher_id: str, limits: Limits, now: float) -> None:
        self._publisher_id = publisher_id
        self._limits = limits
        self._streams: dict[str, StreamQueue] = {}
        self._in_flight: deque[_Batch] = deque()
        self._in_flight_bytes = 0
        self._next_batch_id = 1
        self._throttle = Throttle()
        self._window: v1.SubmitReady | None = None
        self._drain_delay: float | None = None
        self._ended = False
        self._asked: list[str] = []
        self._attempt = 0
        self._progress = now
        self.frames = 0
        self.size_bytes = 0
        self.flushing = False
        """True while batches are not to wait for more frames."""
        self.closing = False
        """True if no further frames come: the call ends when every frame is decided."""
        self.fresh = True
        """True until a call was ready."""

    first_seconds = FIRST_MESSAGE_SECONDS
    silence_seconds = MAX_SILENT_HEARTBEATS * HEARTBEAT_SECONDS

    def has_room(self, size: int) -> bool:
        """Says whether a frame of this size may be added. A frame larger than the limit is added alone."""
        fits = self.size_bytes + size <= self._limits.max_bytes and self.frames < _MAX_FRAMES
        return self.frames == 0 or fits

    def push(self, frame: v1.Frame, size: int, ticket: Any, now: float) -> None:
        """Adds a frame. The outbox sets its publisher id and, unless it has one, its publisher sequence."""
        if self.frames == 0:
            self._progress = now
        self.frames += 1
        self.size_bytes += size
        frame.publisher_id = self._publisher_id
        stream = self._streams.setdefault(frame.stream_id, StreamQueue())
        entry = Entry(frame, size, ticket, now)
        stream.waiting.append(entry)
        if not _STREAM_ID.fullmatch(frame.stream_id):
            # The server refuses this frame, but it would refuse a whole call that asks for its stream.
            stream.last_number = stream.last_number or 0
        stream.number(entry)

    # --- A call. ---

    def begin(self) -> v1.SubmitFramesRequest:
        """Returns the setup of a new call. It asks for the positions of streams without a number."""
        request = v1.SubmitFramesRequest()
        request.setup.publisher_id = self._publisher_id
        request.setup.heartbeat_interval.FromMilliseconds(int(HEARTBEAT_SECONDS * 1000))
        self._asked = [stream_id for stream_id, stream in self._streams.items() if stream.lacks_number]
        del self._asked[_MAX_RESUME_STREAMS:]
        request.setup.resume_stream_ids.extend(self._asked)
        self._window, self._drain_delay, self._ended = None, None, False
        return request

    def next(self, now: float) -> Step:
        """Returns what to send next."""
        if self._window is None:
            return Step()
        ends = self._drain_delay is not None or (self.frames == 0 and self.closing)
        # A stream that is new to the call: another call asks for its position.
        new_streams = any(stream.lacks_number for stream in self._streams.values())
        if ends or new_streams:
            self._ended = not self._in_flight
            return Step(end=self._ended)
        batch = self._next_batch(self._window, now)
        if batch is not None:
            return Step(request=v1.SubmitFramesRequest(batch=batch))
        linger = self._limits.batch_seconds
        times = [max(at, stream.waiting[0].since + linger) for stream, at in self._ready()]
        return Step(wait_seconds=min((at - now for at in times if at > now), default=None))

    def received(self, message: v1.SubmitFramesResponse, now: float) -> Decided:
        """Records a message of the server. Returns the frames that it decides."""
        decided: Decided = []
        match message.WhichOneof("event"):
            case "ready":
                self.fresh = False
                self._window = message.ready
                positions = {one.stream_id: one.last_publisher_sequence for one in message.ready.positions}
                for stream_id in self._asked:
                    stream = self._streams[stream_id]
                    stream.last_number = max(stream.last_number or 0, positions.get(stream_id, 0))
                    stream.on_trial = True
                    for entry in stream.waiting:
                        stream.number(entry)
            case "batch_result":
                decided = self._answered(message.batch_result, now)
            case "throttle":
                self._throttled(message.throttle, now)
            case "draining":
                self._drain_delay = seconds(message.draining.reconnect_delay)
        if decided or self.frames == 0:
            self._progress, self._attempt = now, 0
        elif now - self._progress > self._limits.max_quiet_seconds:
            raise CallError(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                f"the server has decided no frame for {now - self._progress:.0f} s",
                hint="its queues may be full or paused: see `frameway queues`, or set max_quiet_seconds",
            )
        return decided

    def ended(self, error: CallError | None, now: float) -> float:
        """Puts the unanswered frames back, in order. Returns the pause before another call.

        Raises the error if no other call is to follow.
        """
        for batch in self._in_flight:
            for entry in batch.entries:
                stream = self._streams[entry.frame.stream_id]
                stream.in_flight -= 1
                stream.returned.append(entry)
        self._in_flight.clear()
        self._in_flight_bytes = 0
        self._window = None
        # Throttles end with the call.
        self._throttle = Throttle()
        for stream in self._streams.values():
            stream.throttle = Throttle()
            stream.requeue()
        drained, self._drain_delay = self._drain_delay, None
        if self._ended and drained is None and error is None:
            # The next call asks for a position: at once, unless the last one was of no use.
            return backoff_seconds(self._attempt) if self._attempt else 0.0
        error = error or CallError(grpc.StatusCode.UNAVAILABLE, "the server ended the call")
        requested = retry_delay(error) if drained is None else drained
        if requested is None:
            raise error
        self._attempt += 1
        delay = requested or backoff_seconds(self._attempt)
        if self.frames == 0:
            self._progress = now
        if now + delay - self._progress > self._limits.max_quiet_seconds:
            raise error
        return delay

    def abandon(self, error: Error) -> Decided:
        """Removes every frame, as unconfirmed."""
        entries = [entry for batch in self._in_flight for entry in batch.entries]
        for stream in self._streams.values():
            entries += [*stream.returned, *stream.waiting]
        self._streams.clear()
        self._in_flight.clear()
        self.frames = self.size_bytes = 0
        return [(entry.ticket, fate_of(entry, "unconfirmed", error=error)) for entry in entries]

    # --- Batches. ---

    def _ready(self) -> Iterator[tuple[StreamQueue, float]]:
        """Yields the streams that may send, and from when on."""
        for stream in self._streams.values():
            if stream.waiting and not stream.returned:
                bounds = (stream.not_before, stream.throttle.paused_until, stream.throttle.next)
                yield stream, max(*bounds, self._throttle.paused_until, self._throttle.next)

    def _next_batch(self, window: v1.SubmitReady, now: float) -> v1.SubmitBatch | None:
        if len(self._in_flight) >= max(window.max_in_flight_batches, 1):
            return None
        max_frames = max(1, min(self._limits.batch_frames, window.max_batch_frames))
        max_bytes = min(self._limits.batch_bytes, window.max_message_bytes - _MESSAGE_MARGIN_BYTES)
        ready = [stream for stream, at in self._ready() if at <= now]
        if not ready or not self._is_due(ready, max_frames, max_bytes, now):
            return None
        room = min(window.max_in_flight_bytes - self._in_flight_bytes, max_bytes)
        entries: list[Entry] = []
        size = 0
        for stream in ready:
            while stream.waiting and len(entries) < max_frames:
                entry = stream.waiting[0]
                # A frame that alone exceeds the limit is sent by itself, and the server refuses it.
                if size + entry.size > room and (entries or self._in_flight):
                    break
                if max(stream.throttle.next, self._throttle.next) > now or (stream.on_trial and stream.in_flight):
                    break
                stream.waiting.popleft()
                stream.in_flight += 1
                entry.sends += 1
                stream.throttle.sent(entry.size, now)
                self._throttle.sent(entry.size, now)
                size += entry.size
                entries.append(entry)
        if not entries:
            return None
        # Streams take turns, so that a busy stream does not starve the others.
        last = entries[-1].frame.stream_id
        self._streams[last] = self._streams.pop(last)
        batch = _Batch(self._next_batch_id, size, entries)
        self._next_batch_id += 1
        self._in_flight.append(batch)
        self._in_flight_bytes += size
        return v1.SubmitBatch(batch_id=batch.batch_id, frames=[entry.frame for entry in entries])

    def _is_due(self, ready: Sequence[StreamQueue], max_frames: int, max_bytes: int, now: float) -> bool:
        """Says whether the batch is full, or its oldest frame has waited long enough."""
        if self._limits.batch_seconds <= 0 or self.flushing or self.closing:
            return True
        waiting = [entry for stream in ready for entry in stream.waiting]
        oldest = min(entry.since for entry in waiting)
        full = len(waiting) >= max_frames or sum(entry.size for entry in waiting) >= max_bytes
        return full or now >= oldest + self._limits.batch_seconds

    def _answered(self, result: v1.SubmitBatchResult, now: float) -> Decided:
        batch = self._in_flight[0] if self._in_flight else None
        if batch is None or batch.batch_id != result.batch_id:
            raise CallError(grpc.StatusCode.UNAVAILABLE, "the server answered a batch that was not sent")
        self._in_flight.popleft()
        self._in_flight_bytes -= batch.size
        decided: Decided = []
        # A result that is missing, or that this client does not know, leaves its frame unconfirmed.
        results = [*result.results, *[v1.FrameResult()] * len(batch.entries)]
        for entry, one in zip(batch.entries, results, strict=False):
            stream = self._streams[entry.frame.stream_id]
            stream.in_flight -= 1
            fate = decision(entry, one)
            if stream.on_trial and is_taken(entry, one):
                stream.returned.append(entry)
                stream.forget_numbers()
                self._attempt += 1
            elif fate is None:
                outcome = one.WhichOneof("outcome")
                error = getattr(one, outcome) if outcome else v1.ItemError()
                delay = min(seconds(error.retry_delay), MAX_REQUESTED_SECONDS)
                stream.not_before = max(stream.not_before, now + (delay or (0.0 if outcome else backoff_seconds(1))))
                stream.returned.append(entry)
            else:
                stream.on_trial = stream.on_trial and not fate.stored
                self.frames -= 1
                self.size_bytes -= entry.size
                decided.append((entry.ticket, fate))
            stream.requeue()
        return decided

    def _throttled(self, requested: v1.SubmitThrottle, now: float) -> None:
        throttle = self._throttle
        if requested.stream_id:
            throttle = self._streams.setdefault(requested.stream_id, StreamQueue()).throttle
        throttle.paused_until = now + seconds(requested.pause) if requested.HasField("pause") else 0.0
        throttle.max_fps = requested.max_fps if requested.HasField("max_fps") else None
        bounded = requested.HasField("max_bytes_per_second")
        throttle.max_bytes_per_second = requested.max_bytes_per_second if bounded else None
        if throttle.max_fps is None and not bounded:
            throttle.next = 0.0


def frame_size(frame: v1.Frame) -> int:
    """Returns the bytes that a frame takes in a batch."""
    return frame.ByteSize() + _FRAME_OVERHEAD_BYTES
