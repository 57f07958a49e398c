"""A publisher for threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING

import grpc

from frameway import v1
from frameway.errors import BufferFull, CallError, ClientClosed, ConfigError, Error
from frameway.outbox import Decided, Limits, Outbox, frame_size
from frameway.stream_queue import Fate
from frameway.watchdog import Watched

if TYPE_CHECKING:
    from frameway.client import Client


class Publisher:
    """Sends frames so that each is stored once and in order, also if connections break.

    `Client.publisher` creates one. It numbers the frames of each stream after the last one that the
    server has stored under the publisher's id. At most one publisher may use an id at a time.
    """

    def __init__(
        self, client: Client, publisher_id: str, limits: Limits, on_fate: Callable[[v1.Frame, Fate], None] | None
    ) -> None:
        if not publisher_id:
            raise ConfigError("a publisher needs an id: with it, the server stores a frame that is sent twice once")
        self._client = client
        self._limits = limits
        self._on_fate = on_fate
        self._changed = threading.Condition()
        self._outbox = Outbox(publisher_id, limits, time.monotonic())
        self._call: Watched[v1.SubmitFramesResponse] | None = None
        self._call_number = 0
        self._error: Error | None = None
        self._ended = False
        client.opened.add(self)
        self._thread = threading.Thread(target=self._run, name="frameway-publisher", daemon=True)
        self._thread.start()

    def publish(self, frame: v1.Frame, *, timeout_seconds: float | None = None) -> Future[Fate]:
        """Adds a frame. Waits while the publisher holds as many undecided bytes or frames as it may.

        Returns a future of the frame's fate. Do not change the frame afterwards. The publisher sets
        its publisher id, and its publisher sequence unless it has one.

        Raises BufferFull after `timeout_seconds` (0 = at once), ConfigError for a frame that fits no
        message, and the publisher's error after that has given up.
        """
        size = frame_size(frame)
        if size > self._client.max_message_bytes:
            raise ConfigError(f"a frame of {size} bytes fits no message of {self._client.max_message_bytes} bytes")
        future: Future[Fate] = Future()
        with self._changed:
            has_room = self._changed.wait_for(lambda: self._error or self._outbox.has_room(size), timeout_seconds)
            self._check()
            if not has_room:
                held = f"{self._outbox.size_bytes} bytes in {self._outbox.frames} frames are undecided"
                raise BufferFull(f"the publisher is full: {held}; the server is slow or away")
            self._outbox.push(frame, size, (frame, future), time.monotonic())
            self._changed.notify_all()
        return future

    def flush(self, timeout_seconds: float | None = None) -> None:
        """Waits until all frames are decided. Raises TimeoutError, or the error of a publisher that gave up."""
        with self._changed:
            self._outbox.flushing = True
            self._changed.notify_all()
            try:
                decided = self._changed.wait_for(lambda: self._error or self._outbox.frames == 0, timeout_seconds)
            finally:
                self._outbox.flushing = False
            if self._error is not None:
                raise self._error
            if not decided:
                raise TimeoutError(f"{self._outbox.frames} frames are undecided after {timeout_seconds} s")

    def close(self, timeout_seconds: float | None = None) -> None:
        """Waits until all frames are decided, and ends the publisher.

        After `timeout_seconds`, frames that are still undecided are reported as unconfirmed. Raises
        the error of a publisher that gave up.
        """
        with self._changed:
            self._outbox.closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ended, timeout_seconds)
        self._stop(None)
        if self._error is not None and not isinstance(self._error, _Stopped):
            raise self._error

    def cancel(self) -> None:
        """Ends the publisher at once. Undecided frames are reported as unconfirmed."""
        self._stop(None)

    def client_closed(self) -> None:
        self._stop(ClientClosed())

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.cancel()

    def _check(self) -> None:
        if isinstance(self._error, _Stopped) or self._outbox.closing:
            raise Error("the publisher is closed")
        if self._error is not None:
            raise self._error

    def _stop(self, error: Error | None) -> None:
        with self._changed:
            if self._error is None and not self._ended:
                self._error = error or _Stopped("the publisher was ended before the frame was decided")
            self._changed.notify_all()
            call = self._call
        if call is not None:
            call.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # --- The thread. ---

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                pause = self._one_call()
                if pause:
                    with self._client.connecting(), self._changed:
                        self._changed.wait_for(lambda: self._error is not None, pause)
        except Error as error:
            with self._changed:
                self._error = self._error or error
        except Exception as error:  # a fault of this client: tell the program instead of hanging
            with self._changed:
                self._error = Error(f"the publisher failed: {error!r}")
            self._client.logger.exception("the publisher failed")
        with self._changed:
            abandoned = self._outbox.abandon(self._error or Error("the publisher is closed"))
        self._report(abandoned)
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._client.opened.discard(self)

    def _wait_for_work(self) -> bool:
        """Waits for a frame. Returns False if there is none and none will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._error or self._outbox.frames or self._outbox.closing)
            return self._error is None and self._outbox.frames > 0

    def _one_call(self) -> float:
        """Makes a call. Returns the pause before the next one."""
        address = self._client.route.address
        with self._changed:
            setup, fresh = self._outbox.begin(), self._outbox.fresh
            self._call_number += 1
            requests = self._requests(setup, self._call_number)
        failure: CallError | None = None
        call = None
        try:
            opened = self._client.call(lambda: self._client.streaming.SubmitFrames(requests))
            call = Watched(opened, self._outbox.first_seconds, self._outbox.silence_seconds)
            with self._changed:
                self._call = call
                stopped = self._error is not None
            if stopped:
                call.close()
            for message in call:
                with self._changed:
                    decided = self._outbox.received(message, time.monotonic())
                    self._changed.notify_all()
                self._report(decided)
        except grpc.RpcError as error:
            silent = CallError(grpc.StatusCode.UNAVAILABLE, "the server sent nothing for three heartbeats")
            is_silent = call is not None and call.silent
            failure = self._client.explain(silent if is_silent else error, address, probe=fresh)
        finally:
            with self._changed:
                self._call = None
                self._call_number += 1
                self._changed.notify_all()
            if call is not None:
                call.close()
        with self._changed:
            if self._error is not None:
                raise self._error
            pause = self._outbox.ended(failure, time.monotonic())
        if failure is not None or pause:
            self._client.route.leave(address)
            self._client.log_retry("SubmitFrames", failure, pause)
        return pause

    def _requests(self, setup: v1.SubmitFramesRequest, number: int) -> Iterator[v1.SubmitFramesRequest]:
        """Yields the requests of a call. gRPC iterates in a thread of its own."""
        yield setup
        while True:
            with self._changed:
                while True:
                    if self._call_number != number or self._error is not None:
                        return
                    step = self._outbox.next(time.monotonic())
                    if step.end:
                        return
                    if step.request is not None:
                        break
                    self._changed.wait(step.wait_seconds)
            yield step.request

    def _report(self, decided: Decided) -> None:
        for (frame, future), fate in decided:
            # A program may have cancelled the future.
            if future.set_running_or_notify_cancel():
                future.set_result(fate)
            if self._on_fate is not None:
                try:
                    self._on_fate(frame, fate)
                except Exception:
                    self._client.logger.exception(
                        "the callback failed for frame %d of %r", fate.publisher_sequence, fate.stream_id
                    )


class _Stopped(Error):
    """The program ended the publisher."""
