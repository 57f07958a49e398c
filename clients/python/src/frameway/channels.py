"""Connections to a server, for both faces of the client."""

from __future__ import annotations

import copy
import json
from collections.abc import Awaitable, Callable, Sequence
from importlib import resources
from typing import Any, NamedTuple

import grpc
import grpc.aio

from frameway import addresses
from frameway.addresses import Address, Route
from frameway.credentials import Credentials, Secret
from frameway.errors import ConfigError

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""The server's default limit for one message, sent or received."""


_Options = tuple[tuple[str, Any], ...]


def _options(max_message_bytes: int) -> _Options:
    return (
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
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
        # Otherwise all channels of the process with the same options share one connection, and with
        # it the limit of calls on that connection.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.service_config", service_config(without_retries=_RESUMED)),
    )


_RESUMED = ({"service": "frameway.v1.StreamingService", "method": "SubscribeFrames"},)
"""The methods that the client resumes by itself, so that gRPC must not retry them.

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


class Settings(NamedTuple):
    """What a connection needs to know."""

    route: Route
    tls: grpc.ChannelCredentials | None
    secret: Secret | None
    options: _Options


def settings(
    address: str | Sequence[str], credentials: Credentials | grpc.ChannelCredentials | None, max_message_bytes: int
) -> Settings:
    """Checks the arguments of `connect`. Raises ConfigError if they cannot be used."""
    known = credentials if isinstance(credentials, Credentials) else Credentials()
    own_tls = None if isinstance(credentials, Credentials) else credentials
    texts = [address] if isinstance(address, str) else list(address)
    if not texts:
        raise ConfigError("there is no address to connect to")
    route = Route([addresses.parse(text, tls=known.uses_tls or own_tls is not None) for text in texts])
    secret = Secret(known.token) if known.token is not None else None
    for one in route.addresses:
        if secret is not None and not (one.tls or one.stays_here or known.allow_plaintext_token):
            raise ConfigError(
                f"a token is not sent to {one} without TLS, where others can read it: use https://, "
                "or set allow_plaintext_token if you trust the network"
            )
    tls = own_tls or (known.channel_credentials() if any(one.tls for one in route.addresses) else None)
    return Settings(route, tls, secret, _options(max_message_bytes))


def open_channel(made: Settings) -> grpc.Channel:
    """Returns a channel with two connections to each address, of which one is used at a time."""

    def connection(address: Address, options: _Options) -> grpc.Channel:
        target = str(address)
        channel = (
            grpc.secure_channel(target, made.tls, options=options)
            if address.tls and made.tls is not None
            else grpc.insecure_channel(target, options=options)
        )
        return channel if made.secret is None else grpc.intercept_channel(channel, _WithSecret(made.secret))

    return Channels(made, connection)  # type: ignore[return-value]


def open_aio_channel(made: Settings) -> grpc.aio.Channel:
    """Returns a channel as `open_channel` does, for asyncio."""
    kinds = (_AioUnaryUnary, _AioUnaryStream, _AioStreamUnary, _AioStreamStream)
    interceptors: list[Any] = [] if made.secret is None else [kind(made.secret) for kind in kinds]

    def connection(address: Address, options: _Options) -> grpc.aio.Channel:
        target = str(address)
        if address.tls and made.tls is not None:
            return grpc.aio.secure_channel(target, made.tls, options=options, interceptors=interceptors)
        return grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)

    return Channels(made, connection)  # type: ignore[return-value]


class Channels:
    """A channel of grpcio, sync or asyncio, that sends calls with a single answer over a separate connection.

    A server limits the open calls of a connection. A further call waits, without an error, until
    another one ends. Subscriptions do not end by themselves, so if they used up the limit, no frame
    could be acknowledged over the same connection.
    """

    def __init__(self, made: Settings, connect: Callable[[Address, _Options], Any]) -> None:
        self._route = made.route
        # This layer continues long calls itself, after a pause. gRPC's own retries include those of
        # calls that a server refuses with GOAWAY, which come without a pause.
        plain = (*made.options, ("grpc.enable_retries", 0))
        self._streaming = [connect(address, plain) for address in made.route.addresses]
        self._unary = [connect(address, made.options) for address in made.route.addresses]

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        return _Routed(self._route, [channel.unary_unary(*args, **kwargs) for channel in self._unary])

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        return _Routed(self._route, [channel.unary_stream(*args, **kwargs) for channel in self._streaming])

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        return _Routed(self._route, [channel.stream_unary(*args, **kwargs) for channel in self._streaming])

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        return _Routed(self._route, [channel.stream_stream(*args, **kwargs) for channel in self._streaming])

    def for_long_calls(self) -> Channels:
        """Returns a channel that sends all calls over the connections of the long ones."""
        channels = copy.copy(self)
        channels._unary = channels._streaming
        return channels

    def close(self, grace: float | None = None) -> Any:
        """Closes every connection; for asyncio, returns an awaitable."""
        closing = [channel.close() for channel in (*self._streaming, *self._unary)]
        return _all(closing) if any(isinstance(one, Awaitable) for one in closing) else None


async def _all(closing: Sequence[Awaitable[None]]) -> None:
    for one in closing:
        await one


class _Routed:
    """A method of a stub, over the connection to the present address."""

    def __init__(self, route: Route, methods: Sequence[Any]) -> None:
        self._route = route
        self._methods = methods

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._methods[self._route.current](*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._methods[self._route.current], name)


class _CallDetails(NamedTuple):
    method: Any
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any = None


class _WithSecret(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds the secret to every call."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def _intercept(self, call: Any, details: Any, request: Any) -> Any:
        return call(_with_secret(details, self._secret), request)

    intercept_unary_unary = _intercept  # type: ignore[assignment]
    intercept_unary_stream = _intercept  # type: ignore[assignment]
    intercept_stream_unary = _intercept  # type: ignore[assignment]
    intercept_stream_stream = _intercept  # type: ignore[assignment]


def _with_secret(details: Any, secret: Secret) -> _CallDetails:
    return _CallDetails(
        details.method,
        details.timeout,
        [*(details.metadata or ()), ("authorization", secret.header())],
        details.credentials,
        details.wait_for_ready,
        getattr(details, "compression", None),
    )


class _AioWithSecret:
    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    async def _intercept(self, call: Any, details: Any, request: Any) -> Any:
        metadata = grpc.aio.Metadata(*(details.metadata or ()), ("authorization", self._secret.header()))
        return await call(details._replace(metadata=metadata), request)


# asyncio takes one kind of call from each interceptor.
class _AioUnaryUnary(_AioWithSecret, grpc.aio.UnaryUnaryClientInterceptor):
    intercept_unary_unary = _AioWithSecret._intercept  # type: ignore[assignment]


class _AioUnaryStream(_AioWithSecret, grpc.aio.UnaryStreamClientInterceptor):
    intercept_unary_stream = _AioWithSecret._intercept  # type: ignore[assignment]


class _AioStreamUnary(_AioWithSecret, grpc.aio.StreamUnaryClientInterceptor):
    intercept_stream_unary = _AioWithSecret._intercept  # type: ignore[assignment]


class _AioStreamStream(_AioWithSecret, grpc.aio.StreamStreamClientInterceptor):
    intercept_stream_stream = _AioWithSecret._intercept  # type: ignore[assignment]
