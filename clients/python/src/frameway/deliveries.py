"""The state of a group member: its unacknowledged frames. It does no I/O and has no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from frameway import v1
from frameway.errors import Reject, enum_name, seconds

_MAX_IDS = 1_000
"""The maximum number of ack ids in a request."""
_MAX_REASON_BYTES = 512
_MAX_SETTLED = 256
_DEFAULT_DEADLINE_SECONDS = 30.0


@dataclass
class _Delivery:
    ack_id: str
    extend_at: float
    begun: bool = False
    done: bool = False
    rejection: v1.Rejection | None = None


class Report(NamedTuple):
    """A request about deliveries, all of one kind: `acknowledge`, `reject` or `extend`."""

    kind: str
    keys: list[tuple[str, int]]
    ack_ids: list[str]
    request: v1.AcknowledgeFramesRequest | v1.RejectFramesRequest | v1.ExtendAckDeadlineRequest


@dataclass
class Deliveries:
    """Matches deliveries to the work in progress, and says what to report to the server.

    A frame is one of a stream and a sequence. If it is delivered again while a handler still runs
    for it, or before the server has answered the acknowledgement, it is not handled again: the
    outcome is reported under the newest ack id.
    """

    group_id: str
    deadline_seconds: float = _DEFAULT_DEADLINE_SECONDS
    _held: dict[tuple[str, int], _Delivery] = field(default_factory=dict)
    _in_flight: set[tuple[str, int]] = field(default_factory=set)
    _settled: deque[str] = field(default_factory=lambda: deque(maxlen=_MAX_SETTLED))
    """The last acknowledged ack ids: a redelivery may have been on its way when they were acknowledged."""

    def ready(self, message: v1.ConsumeReady) -> None:
        self.deadline_seconds = seconds(message.ack_deadline) or _DEFAULT_DEADLINE_SECONDS

    def delivered(self, consumed: v1.ConsumedFrame, now: float) -> bool:
        """Records a delivery. Returns True if a handler is to be called for it."""
        key = (consumed.frame.stream_id, consumed.frame.sequence)
        held = self._held.get(key)
        if held is not None:
            held.ack_id = consumed.ack_id
            held.extend_at = now + self.deadline_seconds / 2
            return False
        if consumed.ack_id in self._settled:
            return False
        self._held[key] = _Delivery(consumed.ack_id, now + self.deadline_seconds / 2)
        return True

    def begin(self, key: tuple[str, int]) -> bool:
        """Marks a frame as being handled. Returns False if it went back to the group meanwhile."""
        held = self._held.get(key)
        if held is None or held.done:
            return False
        held.begun = True
        return True

    def finished(self, key: tuple[str, int], error: BaseException | None) -> None:
        """Records the end of a handler: without an error, the frame is acknowledged."""
        held = self._held[key]
        held.done = True
        if error is not None:
            held.rejection = _rejection(error)

    def release(self) -> None:
        """Gives the frames that no handler has begun back to the group at once."""
        for held in self._held.values():
            if not held.begun and not held.done:
                held.done = True
                held.rejection = v1.Rejection(reason="the consumer was closed before it handled the frame")
                held.rejection.retry_delay.SetInParent()

    @property
    def unfinished(self) -> bool:
        """True while a handler runs, or an outcome is not reported."""
        return any(held.begun or held.done for held in self._held.values())

    def next_report(self, now: float) -> Report | None:
        """Returns what to report now, if anything. Answer it with `answered` or `unanswered`."""
        open_items = [(key, held) for key, held in self._held.items() if key not in self._in_flight]
        acked = [(key, held) for key, held in open_items if held.done and held.rejection is None][:_MAX_IDS]
        if acked:
            ack = v1.AcknowledgeFramesRequest(group_id=self.group_id, ack_ids=[held.ack_id for _, held in acked])
            return self._sent("acknowledge", acked, ack)
        rejected = [(key, held) for key, held in open_items if held.rejection is not None][:_MAX_IDS]
        if rejected:
            reject = v1.RejectFramesRequest(group_id=self.group_id)
            for _, held in rejected:
                assert held.rejection is not None
                held.rejection.ack_id = held.ack_id
                reject.rejections.append(held.rejection)
            return self._sent("reject", rejected, reject)
        late = [(key, held) for key, held in open_items if not held.done and held.extend_at <= now][:_MAX_IDS]
        if late:
            ids = [held.ack_id for _, held in late]
            return self._sent("extend", late, v1.ExtendAckDeadlineRequest(group_id=self.group_id, ack_ids=ids))
        return None

    def next_extension(self) -> float | None:
        """Returns the time of the next extension, if a frame is held."""
        return min((held.extend_at for held in self._held.values() if not held.done), default=None)

    def answered(self, report: Report, results: Sequence[v1.AckResult], now: float) -> list[str]:
        """Records the answer to a report. Returns a line for each frame that the server refused."""
        refusals = []
        # A result that is missing, or that this client does not know, counts as refused.
        every = [*results, *[v1.AckResult()] * len(report.keys)]
        for key, ack_id, result in zip(report.keys, report.ack_ids, every, strict=False):
            self._in_flight.discard(key)
            held = self._held.get(key)
            done = result.WhichOneof("outcome") == "done"
            if not done:
                reason = enum_name(v1.ErrorReason, result.refused.reason)
                refusals.append(f"cannot {report.kind} frame {key[1]} of {key[0]!r}: {reason}: {result.refused.message}")
            if report.kind == "extend":
                if held is not None:
                    held.extend_at = now + self.deadline_seconds / 2
            elif held is not None and (done or held.ack_id == ack_id):
                del self._held[key]
                self._settled.append(ack_id)
            # Otherwise the frame was delivered again meanwhile: the outcome is reported under its new
            # ack id.
        return refusals

    def unanswered(self, report: Report, retry_at: float) -> None:
        """Records that a report got no answer: it is sent again."""
        self._in_flight.difference_update(report.keys)
        for key in report.keys:
            held = self._held.get(key)
            if held is not None:
                held.extend_at = max(held.extend_at, retry_at)

    def _sent(
        self,
        kind: str,
        items: list[tuple[tuple[str, int], _Delivery]],
        request: v1.AcknowledgeFramesRequest | v1.RejectFramesRequest | v1.ExtendAckDeadlineRequest,
    ) -> Report:
        keys = [key for key, _ in items]
        self._in_flight.update(keys)
        return Report(kind, keys, [held.ack_id for _, held in items], request)


def _rejection(error: BaseException) -> v1.Rejection:
    text = str(error) if isinstance(error, Reject) else f"{type(error).__name__}: {error}"
    reason = text.encode("utf-8", "replace")[:_MAX_REASON_BYTES].decode("utf-8", "ignore")
    rejection = v1.Rejection(reason=reason)
    if isinstance(error, Reject):
        rejection.dead_letter = error.dead_letter
        if error.retry_delay is not None and not error.dead_letter:
            rejection.retry_delay.FromMilliseconds(int(error.retry_delay * 1000))
    return rejection
