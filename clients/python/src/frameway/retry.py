"""The rules that say which calls are sent again, and after which pause."""

from __future__ import annotations

import random
import socket
import ssl

import grpc

from frameway.addresses import Address
from frameway.errors import CallError, error_reason, retry_delay_seconds

# The status codes after which a call may be sent again, according to the comment of every RPC.
# CANCELLED is one of them unless this client cancelled the call: a server or a proxy may report a
# passed deadline in this way.
_RETRYABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
_MAX_PAUSE_SECONDS = 5.0
MAX_REQUESTED_SECONDS = 30.0
"""The maximum pause that a server can request for a frame."""
_PROBE_SECONDS = 2.0

# Parts of the texts of gRPC's TLS errors, and what to do.
_TLS_CAUSES = (
    ("WRONG_VERSION_NUMBER", "the server probably does not speak TLS: connect without TLS (http://), or check the port"),
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


def explain(error: grpc.RpcError, address: Address, *, probe: bool = True) -> CallError:
    """Returns the error with the address, and with what to do if that is known.

    With `probe`, opens a connection of its own if that is needed to see whether the server speaks
    TLS; this takes up to 2 s.
    """
    text = error.details() or ""
    if error.code() == grpc.StatusCode.UNAVAILABLE and not error_reason(error):
        for part, hint in _TLS_CAUSES:
            if address.tls and part in text:
                return Hopeless.of(error, str(address), hint)
        if not address.tls and "refused" not in text and probe and _speaks_tls(address):
            return Hopeless.of(error, str(address), _SPEAKS_TLS)
    return CallError.of(error, str(address))


def _speaks_tls(address: Address) -> bool:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((address.host, address.port), _PROBE_SECONDS) as plain:
            plain.settimeout(_PROBE_SECONDS)
            with context.wrap_socket(plain, server_hostname=address.host):
                return True
    except ssl.SSLError as failure:
        # A server that requires a client certificate has spoken TLS too.
        return "ALERT" in (failure.reason or "")
    except OSError:
        return False
