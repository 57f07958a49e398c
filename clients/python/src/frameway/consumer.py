"""A member of a consumer group for threads."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

from frameway import v1
from frameway.deliveries import Deliveries, Report
from frameway.errors import CallError, ClientClosed, Error
from frameway.events import Frame, Gap
from frameway.follow import Follow
from frameway.following import Membership
from frameway.retry import backoff_seconds, retry_delay

if TYPE_CHECKING:
    from frameway.client import Client

Handler = Callable[[Frame], Any]


class Consumer:
    """Calls a handler for each frame of a group. `Client.consume` creates one.

    When the handler returns, the frame is acknowledged; when it raises, the frame is rejected with
    the error as the reason. While it runs, the frame's deadline is extended.
    """

    def __init__(
        self,
        client: Client,
        request: v1.ConsumeFramesRequest,
        handler: Handler,
        on_gap: Callable[[Gap], Any] | None,
        workers: int,
        max_quiet_seconds: float,
    ) -> None:
        self._client = client
        self._handler = handler
        self._on_gap = on_gap
        self._deliveries = Deliveries(request.group_id)
        self._messages: Follow[v1.ConsumeFramesResponse] = Follow(client, Membership(request), max_quiet_seconds)
        # The server bounds the bytes of unacknowledged frames, and so those that wait here.
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._reading = True
        self._stopped = False
        self._error: BaseException | None = None
        self._report_failures = 0
        client.opened.add(self)
        self._workers = [threading.Thread(target=self._work, name="frameway-consumer", daemon=True) for _ in range(workers)]
        self._reporter = threading.Thread(target=self._report, name="frameway-acks", daemon=True)
        self._reader = threading.Thread(target=self._read, name="frameway-member", daemon=True)
        for thread in (*self._workers, self._reporter, self._reader):
            thread.start()

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Waits until the consumer ends. Returns False if it has not ended in time.

        Raises the error that ended it, for example a CallError with ERROR_REASON_GROUP_NOT_FOUND.
        """
        with self._changed:
            ended = self._changed.wait_for(lambda: self._stopped or not self._reading, timeout_seconds)
        if ended:
            self.close()
        return ended

    def close(self, timeout_seconds: float | None = 30.0) -> None:
        """Ends the membership.

        Running handlers finish, and their frames are acknowledged. Frames that no handler has begun
        go back to the group at once. Handlers that still run after `timeout_seconds` continue, but
        their frames are delivered again. Raises the error that ended the consumer, if one did.
        """
        self._messages.close()
        deadline = time.monotonic() + timeout_seconds if timeout_seconds is not None else None
        with self._changed:
            self._reading = False
            self._deliveries.release()
            self._changed.notify_all()
            for _ in self._workers:
                self._frames.put(None)
            left = max(0.0, deadline - time.monotonic()) if deadline is not None else None
            self._changed.wait_for(lambda: self._stopped or not self._deliveries.unfinished, left)
            self._stopped = True
            self._changed.notify_all()
        self._client.opened.discard(self)
        for thread in (self._reader, self._reporter, *self._workers):
            # A handler that closes its own consumer must not wait for itself.
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()) if deadline is not None else None)
        if self._error is not None:
            raise self._error

    def client_closed(self) -> None:
        with self._changed:
            self._stopped = True
            self._error = self._error or ClientClosed()
            self._changed.notify_all()

    def __enter__(self) -> Consumer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- The threads. ---

    def _read(self) -> None:
        try:
            for message in self._messages:
                match message.WhichOneof("event"):
                    case "ready":
                        with self._changed:
                            self._deliveries.ready(message.ready)
                    case "frame":
                        with self._changed:
                            is_new = self._reading and self._deliveries.delivered(message.frame, time.monotonic())
                            self._changed.notify_all()
                        if is_new:
                            delivered = message.frame
                            frame = Frame(delivered.frame, "", delivered.ack_id, delivered.delivery_attempt)
                            self._frames.put(frame)
                    case "gap" if self._on_gap is not None:
                        self._on_gap(Gap(message.gap))
        except Exception as error:
            self._fail(error)
        with self._changed:
            self._reading = False
            self._changed.notify_all()

    def _work(self) -> None:
        while (frame := self._frames.get()) is not None:
            key = (frame.stream_id, frame.sequence)
            with self._changed:
                if not self._deliveries.begin(key):
                    continue
            error: Exception | None = None
            try:
                self._handler(frame)
            except Exception as raised:
                error = raised
                self._client.logger.warning(
                    "the handler failed for frame %d of %r: %r", frame.sequence, frame.stream_id, raised
                )
            with self._changed:
                self._deliveries.finished(key, error)
                self._changed.notify_all()

    def _report(self) -> None:
        while True:
            with self._changed:
                while (report := self._deliveries.next_report(time.monotonic())) is None:
                    if self._stopped:
                        return
                    due = self._deliveries.next_extension()
                    self._changed.wait(max(0.0, due - time.monotonic()) if due is not None else None)
                if self._stopped:
                    return
            self._send(report)

    def _send(self, report: Report) -> None:
        address = self._client.route.address
        methods = {
            "acknowledge": self._client.streaming.AcknowledgeFrames,
            "reject": self._client.streaming.RejectFrames,
            "extend": self._client.streaming.ExtendAckDeadline,
        }
        method: Any = methods[report.kind]
        try:
            response = self._client.call(lambda: method(report.request))
        except grpc.RpcError as error:
            self._unanswered(report, self._client.explain(error, address, probe=False))
            return
        with self._changed:
            self._report_failures = 0
            refusals = self._deliveries.answered(report, response.results, time.monotonic())
            self._changed.notify_all()
        for refusal in refusals:
            self._client.logger.warning(refusal)

    def _unanswered(self, report: Report, error: CallError) -> None:
        requested = retry_delay(error)
        if requested is None:
            self._fail(error)
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
            return
        with self._client.connecting(unary=True), self._changed:
            self._report_failures += 1
            pause = requested or backoff_seconds(self._report_failures)
            self._deliveries.unanswered(report, time.monotonic() + pause)
            self._client.log_retry(report.kind, error, pause)
            self._changed.wait_for(lambda: self._stopped, pause)

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, Error | grpc.RpcError):
            self._client.logger.exception("the consumer failed")
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
        self._messages.close()
