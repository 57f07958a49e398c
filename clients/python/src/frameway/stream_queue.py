"""The undecided frames of one stream, and what an answer says about a frame. It does no I/O and has no clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from frameway import v1
from frameway.errors import Error, FrameRefused

_TAKEN = (
    v1.ERROR_REASON_PUBLISHER_SEQUENCE_REUSED,
    v1.ERROR_REASON_PUBLISHER_SEQUENCE_TOO_OLD,
    v1.ERROR_REASON_OUT_OF_ORDER,
)


class Fate(NamedTuple):
    """What became of a frame.

    `outcome` is one of `accepted`; `duplicate` (it was stored before); `rejected` (it is not stored,
    and sending it again would not help); `unconfirmed` (the publisher ended before it was decided).
    `sequence` is its sequence in the stream, or 0. `error` has the reason of the last two outcomes.
    """

    stream_id: str
    publisher_sequence: int
    outcome: str
    sequence: int = 0
    error: Error | None = None

    @property
    def stored(self) -> bool:
        return self.outcome in ("accepted", "duplicate")


@dataclass
class Entry:
    """An undecided frame."""

    frame: v1.Frame
    size: int
    ticket: Any
    since: float
    sends: int = 0
    numbered_here: bool = False


@dataclass
class Throttle:
    """The limits that the server has set for the pace of sending."""

    paused_until: float = 0.0
    max_fps: float | None = None
    max_bytes_per_second: int | None = None
    next: float = 0.0

    def sent(self, size: int, now: float) -> None:
        """Records that a frame was sent, after which the next one has to wait."""
        by_frames = 1.0 / max(self.max_fps, 0.01) if self.max_fps is not None else 0.0
        by_bytes = size / max(self.max_bytes_per_second, 1) if self.max_bytes_per_second is not None else 0.0
        self.next = now + min(max(by_frames, by_bytes), 60.0)


@dataclass
class StreamQueue:
    """The undecided frames of one stream."""

    waiting: deque[Entry] = field(default_factory=deque)
    in_flight: int = 0
    returned: deque[Entry] = field(default_factory=deque)
    """Unconfirmed frames, in order. They wait until no frame of the stream is in flight."""
    not_before: float = 0.0
    """The time until which the server has refused frames of the stream."""
    throttle: Throttle = field(default_factory=Throttle)
    last_number: int | None = None
    """The last publisher sequence; None until the server has said which one it stored."""
    on_trial: bool = False
    """True until the server has taken a frame under a number that follows the position that it reported.

    A publisher that ended may have left frames at the server that are stored after that report.
    """

    def number(self, entry: Entry) -> None:
        """Numbers a frame that has no number, if the last number is known."""
        if entry.frame.HasField("publisher_sequence"):
            self.last_number = max(self.last_number or 0, entry.frame.publisher_sequence)
        elif self.last_number is not None:
            self.last_number += 1
            entry.frame.publisher_sequence = self.last_number
            entry.numbered_here = True

    def forget_numbers(self) -> None:
        """Takes the numbers of the waiting frames back: the next call asks for the position."""
        self.last_number = None
        for entry in (*self.returned, *self.waiting):
            if entry.numbered_here:
                entry.frame.ClearField("publisher_sequence")

    @property
    def lacks_number(self) -> bool:
        """True if the next frame needs a number, which depends on the server's position."""
        return bool(self.waiting) and not self.waiting[0].frame.HasField("publisher_sequence")

    def requeue(self) -> None:
        """Puts returned frames before the waiting ones, once nothing is in flight."""
        if self.in_flight == 0:
            self.waiting.extendleft(reversed(self.returned))
            self.returned.clear()


def fate_of(entry: Entry, outcome: str, sequence: int = 0, error: Error | None = None) -> Fate:
    """Returns the fate of a frame."""
    return Fate(entry.frame.stream_id, entry.frame.publisher_sequence, outcome, sequence, error)


def is_taken(entry: Entry, result: v1.FrameResult) -> bool:
    """Says whether another frame is stored under the number that this outbox gave a frame."""
    if not entry.numbered_here or entry.sends > 1:
        return False
    final = result.WhichOneof("outcome") == "rejected" and not result.rejected.HasField("retry_delay")
    return result.WhichOneof("outcome") == "duplicate" or (final and result.rejected.reason in _TAKEN)


def decision(entry: Entry, result: v1.FrameResult) -> Fate | None:
    """Returns the fate of a frame; None if it is to be sent again."""
    match result.WhichOneof("outcome"):
        case "accepted":
            return fate_of(entry, "accepted", result.accepted.sequence)
        case "duplicate":
            return fate_of(entry, "duplicate", result.duplicate.sequence)
        case "rejected" if not result.rejected.HasField("retry_delay"):
            return fate_of(entry, "rejected", error=FrameRefused(entry.frame, result.rejected))
    return None
