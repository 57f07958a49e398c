"""Connections to a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import grpc

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""The server's default limit for one message, sent or received."""

_OPTIONS = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # A broken connection is noticed after 15 s. The keepalive options alone do not achieve that:
    # gRPC also waits `ping_timeout_ms` (60 s by default) for each ping, and sends fewer pings on a
    # connection that only receives, unless `max_pings_without_data` is 0.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # With the defaults, a client may wait up to two minutes after the server is back.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # Otherwise all channels of the process with the same options share one connection, and with it
    # the limit of calls on that connection.
    ("grpc.use_local_subchannel_pool", 1),
)


_RESUMED = ({"service": "frameway.v1.StreamingService", "method": "SubscribeFrames"},)
"""The methods that `Client` resumes by itself, so that gRPC must not retry them.

ConsumeFrames is not listed, because the service config has no retries for it.
"""


def service_config(without_retries: tuple[dict[str, str], ...] = ()) -> str:
    """Returns the timeouts and retries of the API for the channel option `grpc.service_config`.

    The methods in `without_retries` keep their timeouts, but gRPC does not retry them.
    """
    config = json.loads(resources.files("frameway.v1").joinpath("service_config.json").read_text(encoding="utf-8"))
    methods = []
    for method in config["methodConfig"]:
        plain = [name for name in method["name"] if name in without_retries]
        methods.append(method | {"name": [name for name in method["name"] if name not in plain]})
        if plain:
            methods.append({key: value for key, value in method.items() if key != "retryPolicy"} | {"name": plain})
    return json.dumps(config | {"methodConfig": [method for method in methods if method["name"]]})


def open_channel(address: str, credentials: grpc.ChannelCredentials | None = None) -> grpc.Channel:
    """Returns a channel with two connections to `address`.

    One is for long calls, the other for calls with a single answer.
    """
    options = (*_OPTIONS, ("grpc.service_config", service_config(without_retries=_RESUMED)))

    def connection() -> grpc.Channel:
        if credentials is None:
            return grpc.insecure_channel(address, options=options)
        return grpc.secure_channel(address, credentials, options=options)

    return _TwoConnections(streaming=connection(), unary=connection())


class _TwoConnections(grpc.Channel):
    """A channel that sends calls with a single answer over a separate connection.

    A server limits the open calls of a connection. A further call waits, without an error, until
    another one ends. Subscriptions do not end by themselves, so if they used up the limit, no frame
    could be acknowledged over the same connection.
    """

    def __init__(self, streaming: grpc.Channel, unary: grpc.Channel) -> None:
        self._streaming = streaming
        self._unary = unary

    def subscribe(self, callback: Callable[[grpc.ChannelConnectivity], None], try_to_connect: bool | None = False) -> None:
        self._streaming.subscribe(callback, bool(try_to_connect))

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        self._streaming.unsubscribe(callback)

    def unary_unary(self, *args: Any, **kwargs: Any) -> grpc.UnaryUnaryMultiCallable:
        return self._unary.unary_unary(*args, **kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> grpc.UnaryStreamMultiCallable:
        return self._streaming.unary_stream(*args, **kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> grpc.StreamUnaryMultiCallable:
        return self._streaming.stream_unary(*args, **kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> grpc.StreamStreamMultiCallable:
        return self._streaming.stream_stream(*args, **kwargs)

    def close(self) -> None:
        self._streaming.close()
        self._unary.close()

    def __enter__(self) -> _TwoConnections:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
