"""The rules that say which calls are sent again, and after which pause."""

from __future__ import annotations

import random
import socket
import ssl

import grpc

from frameway.addresses import Address
from frameway.credentials import Secret
from frameway.errors import CallError, error_reason, retry_delay_seconds

# The status codes after which a call may be sent again, according to the comment of every RPC.
# CANCELLED is one of them unless this client cancelled the call: a server or a proxy may report a
# passed deadline in this way.
_RETRYABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
_MAX_PAUSE_SECONDS = 5.0
MAX_REQUESTED_SECONDS = 30.0
"""The maximum pause that a server can request for a frame."""
_PROBE_SECONDS = 2.0
_HTTP2_BEGINNING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
"""The preface of HTTP/2 and empty SETTINGS."""

_NO_TLS = "the server does not speak TLS: connect without TLS (http://), or check the port"
# Parts of the texts of gRPC's TLS errors, and what to do.
_TLS_CAUSES = (
    ("WRONG_VERSION_NUMBER", _NO_TLS),
    ("CERTIFICATE_VERIFY_FAILED", "the server's certificate is not from a trusted CA: pass the CA's file, Credentials(ca=...)"),
    ("is not in peer certificate", "the server's certificate is for another name: connect by a name in it"),
    ("CERTIFICATE_REQUIRED", "the server requires a client certificate: pass Credentials(certificate=..., key=...)"),
)
_SPEAKS_TLS = "the server speaks TLS, and this client does not: connect with https://, or pass Credentials(ca=...)"


def retry_delay(error: grpc.RpcError) -> float | None:
    """Returns the minimum pause before another call; None if that would have the same error."""
    requested = retry_delay_seconds(error)
    if isinstance(error, Hopeless):
        return None
    if isinstance(error, CallError) and error.renewed:
        return requested or 0.0
    if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
        # Without a delay and without this reason, a message is too large: for the server, or for
        # this client (then there is no reason).
        retryable = requested is not None or error_reason(error) == "ERROR_REASON_SLOW_CONSUMER"
    else:
        retryable = error.code() in _RETRYABLE
    return (requested or 0.0) if retryable else None


def backoff_seconds(attempt: int) -> float:
    """Returns the pause after attempt number `attempt`, which counts from 1.

    The pauses grow, and have jitter so that many clients do not return at the same time.
    """
    return min(_MAX_PAUSE_SECONDS, 0.05 * 2.0 ** min(attempt, 10)) * random.uniform(0.5, 1.0)


class Hopeless(CallError):
    """A connection that fails until the program changes its settings."""


def explain(error: grpc.RpcError, address: Address, secret: Secret | None = None, *, probe: bool = True) -> CallError:
    """Returns the error with the address, and with what to do if that is known.

    If the server refused the credentials, looks whether `secret` has others now.

    With `probe`, opens a connection of its own if that is needed to see whether the server speaks
    TLS; this takes up to 2 s.
    """
    text = error.details() or ""
    if error.code() == grpc.StatusCode.UNAVAILABLE and not error_reason(error):
        for part, hint in _TLS_CAUSES:
            if address.tls and part in text:
                return Hopeless.of(error, str(address), hint)
        if probe and "refused" not in text and _speaks_tls(address) is (not address.tls):
            return Hopeless.of(error, str(address), _NO_TLS if address.tls else _SPEAKS_TLS)
    failure = CallError.of(error, str(address))
    if secret is not None and error.code() == grpc.StatusCode.UNAUTHENTICATED:
        failure.renewed = secret.was_renewed()
    return failure


def check_plaintext(address: Address) -> None:
    """Raises an error if the server speaks TLS where this client does not.

    gRPC does not report this: it connects again and again, without a pause, as long as a call may
    take.
    """
    if not address.tls and _speaks_tls(address):
        raise Hopeless(grpc.StatusCode.UNAVAILABLE, "the connection fails", address=str(address), hint=_SPEAKS_TLS)


def _speaks_tls(address: Address) -> bool | None:
    """Says whether a server speaks TLS; None if that cannot be told."""
    if address.is_unix or not address.port:
        return False
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _connect(address) as plain, context.wrap_socket(plain, server_hostname=address.host):
            return True
    except ssl.SSLError as failure:
        # A server that requires a client certificate has spoken TLS too.
        if "ALERT" in (failure.reason or ""):
            return True
    except OSError:
        return None
    try:
        with _connect(address) as plain:
            plain.sendall(_HTTP2_BEGINNING)
            # The type of the first frame: SETTINGS.
            return False if plain.recv(9)[3:4] == b"\x04" else None
    except OSError:
        return None


def _connect(address: Address) -> socket.socket:
    connection = socket.create_connection((address.host.strip("[]"), address.port), _PROBE_SECONDS)
    connection.settimeout(_PROBE_SECONDS)
    return connection
