"""The errors of the server, in a form that a program can act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import grpc
from google.protobuf import message
from google.protobuf.internal import enum_type_wrapper
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from frameway import v1

_Detail = TypeVar("_Detail", bound=message.Message)


class FrameRefused(Exception):
    """The server finally refused a frame. The frame is not stored.

    `index` is the position of the frame in the submitted list, `reason` is the full name of the
    ErrorReason, and `metadata` has the facts that ErrorReason lists for this reason. `results` has
    the results of all frames; frames after the refused one may be stored.
    """

    def __init__(self, index: int, error: v1.ItemError, results: Sequence[v1.FrameResult]) -> None:
        self.index = index
        self.reason = enum_name(v1.ErrorReason, error.reason)
        self.metadata = dict(error.metadata)
        self.error = error
        self.results = results
        super().__init__(f"frame {index}: {self.reason}: {error.message}")


class ClientClosed(grpc.RpcError):
    """The client was closed, so the call is not sent again.

    The code is CANCELLED, as for every call that is open when the client is closed.
    """

    def __init__(self) -> None:
        super().__init__(self.details())

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.CANCELLED

    def details(self) -> str:
        return "the client is closed"

    def trailing_metadata(self) -> None:
        """Returns None: this error does not come from the server."""


def enum_name(kind: enum_type_wrapper.EnumTypeWrapper, number: int) -> str:
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
    info = _detail(error, error_details_pb2.ErrorInfo)
    return info.reason if info is not None else ""


def error_metadata(error: grpc.RpcError) -> dict[str, str]:
    """Returns the facts about a failed call; ErrorReason lists the keys of each reason."""
    info = _detail(error, error_details_pb2.ErrorInfo)
    return dict(info.metadata) if info is not None else {}


def retry_delay_seconds(error: grpc.RpcError) -> float | None:
    """Returns the pause in seconds that the server requests before another call, if any."""
    info = _detail(error, error_details_pb2.RetryInfo)
    return info.retry_delay.ToTimedelta().total_seconds() if info is not None else None


def _detail(error: grpc.RpcError, kind: type[_Detail]) -> _Detail | None:
    try:
        status = rpc_status.from_call(error)
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
