"""A long call that continues over any number of connections, for threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic

import grpc

from frameway.errors import ClientClosed
from frameway.following import Following, Message, Resumption
from frameway.watchdog import Watched

if TYPE_CHECKING:
    from frameway.client import Client


class Follow(Generic[Message]):
    """Yields every message of a call, and of the calls that continue it.

    It may be closed from any thread; the iteration then ends. If the client is closed, the iteration
    raises ClientClosed.
    """

    def __init__(self, client: Client, resumption: Resumption[Message], max_quiet_seconds: float) -> None:
        self._client: Client = client
        self._resumption: Resumption[Message] = resumption
        self._state: Following[Message] = Following(resumption, max_quiet_seconds, time.monotonic())
        self._address = client.route.address
        self._call: Watched[Message] | None = None
        self._stopped = threading.Event()
        self._yielded_at: float | None = None
        client.opened.add(self)

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        if self._yielded_at is not None:
            self._state.paused(time.monotonic() - self._yielded_at)
            self._yielded_at = None
        while not self._state.done:
            if self._stopped.is_set():
                break
            try:
                if self._call is None:
                    self._open()
                assert self._call is not None
                message = next(self._call)
            except StopIteration:
                break
            except grpc.RpcError as error:
                self._failed(error)
                continue
            except Exception:
                self.close()
                raise
            self._state.received(message, time.monotonic())
            if message.WhichOneof("event") == "draining":
                self._client.route.leave(self._address)
            self._yielded_at = time.monotonic()
            return message
        self.close()
        if self._client.closed and not self._state.done:
            raise ClientClosed
        raise StopIteration

    def close(self) -> None:
        """Ends the call, and the pause between two calls."""
        self._stopped.set()
        self._client.opened.discard(self)
        if self._call is not None:
            self._call.close()

    client_closed = close

    def __del__(self) -> None:
        # A program may leave a loop over a subscription without closing that.
        self.close()

    def _open(self) -> None:
        self._address = self._client.route.address
        method: Any = getattr(self._client.streaming, self._resumption.method)
        call = self._client.call(lambda: method(self._resumption.request()))
        self._call = Watched(call, self._state.first_seconds, self._state.silence_seconds)
        # If `close` came meanwhile, it did not see this call.
        if self._stopped.is_set():
            self._call.close()

    def _failed(self, error: grpc.RpcError) -> None:
        silent = self._call is not None and self._call.silent
        if self._call is not None:
            self._call.close()
            self._call = None
        if self._stopped.is_set():
            return
        failure = self._client.explain(error, self._address, probe=self._state.fresh)
        try:
            pause = self._state.failed(failure, silent, time.monotonic())
        except grpc.RpcError:
            self.close()
            raise
        self._client.log_retry(self._resumption.method, failure, pause)
        self._client.route.leave(self._address)
        with self._client.connecting():
            self._stopped.wait(pause)
