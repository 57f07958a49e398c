"""The errors of this client, and the server's reasons in a form that a program can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf import duration_pb2, message
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from frameway import v1

_Detail = TypeVar("_Detail", bound=message.Message)


class Error(Exception):
    """Any error of this client. The text says in one line what is wrong and what to do.

    `reason` is the full name of the server's ErrorReason, or empty if the error does not come from
    the server. `metadata` has the facts that ErrorReason lists for the reason. `retry_delay` is the
    pause in seconds that the server requests before another try, or None.
    """

    reason: str = ""
    metadata: Mapping[str, str] = {}
    retry_delay: float | None = None


class ConfigError(Error, ValueError):
    """An argument cannot be used: an address, a credential, a picture."""


class BufferFull(Error):
    """The publisher has as many undecided bytes as it may have."""


class CursorError(Error):
    """A cursor store cannot be used: it is damaged, belongs to another subscription, or cannot be written."""


class Reject(Exception):
    """Raised by a handler of `consume` to say more about a rejection than another exception does."""

    def __init__(self, reason: str, *, retry_delay: float | None = None, dead_letter: bool = False) -> None:
        super().__init__(reason)
        self.retry_delay = retry_delay
        self.dead_letter = dead_letter


class FrameRefused(Error):
    """The server finally refused a frame. The frame is not stored.

    `stream_id` and `publisher_sequence` name the frame, and `index` is its position in a submitted
    list. `results` has the results of all frames of the list; frames after the refused one may be
    stored.
    """

    def __init__(self, frame: v1.Frame, error: v1.ItemError, index: int = 0, results: Sequence[v1.FrameResult] = ()) -> None:
        self.index = index
        self.stream_id = frame.stream_id
        self.publisher_sequence = frame.publisher_sequence
        self.reason = enum_name(v1.ErrorReason, error.reason)
        self.metadata = dict(error.metadata)
        self.error = error
        self.results = results
        which = f"frame {frame.publisher_sequence} of {frame.stream_id!r}"
        super().__init__(f"{which} is refused: {self.reason}: {error.message}")


class CallError(Error, grpc.RpcError):
    """A call failed. It has the interface of grpc.RpcError (`code`, `details`) too."""

    renewed = False
    """True if the server refused the credentials, and there are others now."""

    def __init__(self, code: grpc.StatusCode, details: str, *, address: str = "", hint: str = "") -> None:
        self._code = code
        self._details = details
        text = f"{code.name}: {details}" + (f": {hint}" if hint else "")
        super().__init__(f"{address}: {text}" if address else text)

    @classmethod
    def of(cls, error: grpc.RpcError, address: str = "", hint: str = "") -> CallError:
        """Returns an error of grpcio as one of this client. Returns one of this client as it is."""
        if isinstance(error, CallError):
            return error
        # The details of a failed connection repeat the address and an id of gRPC's own.
        code, details = error.code(), " ".join((error.details() or "no details").split())
        kind = DeadlineExceeded if code == grpc.StatusCode.DEADLINE_EXCEEDED else cls
        made = kind(code, details, address=address, hint=hint)
        made.reason = error_reason(error)
        made.metadata = error_metadata(error)
        made.retry_delay = retry_delay_seconds(error)
        return made

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> None:  # type: ignore[override]
        """Returns None: `reason`, `metadata` and `retry_delay` have the facts."""


class DeadlineExceeded(CallError, TimeoutError):
    """The server did not answer in time."""


class ClientClosed(CallError):
    """The client was closed, so the call is not sent again.

    The code is CANCELLED, as for every call that is open when the client is closed.
    """

    def __init__(self) -> None:
        super().__init__(grpc.StatusCode.CANCELLED, "the client is closed")


class _Enum(Protocol):
    def Name(self, number: Any) -> str: ...


def enum_name(kind: _Enum, number: int) -> str:
    """Returns the full name of an enum value.

    Returns the number as text if this client does not know the value, because the server is newer.
    """
    try:
        return kind.Name(number)
    except ValueError:
        return str(number)


def error_reason(error: grpc.RpcError) -> str:
    """Returns the server's reason for a failed call, such as ERROR_REASON_STREAM_NOT_FOUND.

    Returns an empty text for an error that does not come from the server, such as a lost connection
    or a limit of this client.
    """
    if isinstance(error, CallError):
        return error.reason
    info = _detail(error, error_details_pb2.ErrorInfo)
    return info.reason if info is not None else ""


def error_metadata(error: grpc.RpcError) -> dict[str, str]:
    """Returns the facts about a failed call; ErrorReason lists the keys of each reason."""
    if isinstance(error, CallError):
        return dict(error.metadata)
    info = _detail(error, error_details_pb2.ErrorInfo)
    return dict(info.metadata) if info is not None else {}


def retry_delay_seconds(error: grpc.RpcError) -> float | None:
    """Returns the pause in seconds that the server requests before another call, if any."""
    if isinstance(error, CallError):
        return error.retry_delay
    info = _detail(error, error_details_pb2.RetryInfo)
    return seconds(info.retry_delay) if info is not None else None


def seconds(duration: duration_pb2.Duration) -> float:
    """Converts a duration to seconds."""
    return duration.ToTimedelta().total_seconds()


def _detail(error: grpc.RpcError, kind: type[_Detail]) -> _Detail | None:
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
    except (AttributeError, ValueError, message.DecodeError):
        # The details are missing, not valid, or contradict the status.
        return None
    if status is None:
        return None
    for detail in status.details:
        found = kind()
        if detail.Unpack(found):
            return found
    return None
