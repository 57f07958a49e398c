"""What the server says went wrong, in a form that a program can act on."""

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
    """A frame that the server surely did not store, and will not as it is.

    `index` is the frame's place in the submitted list, `reason` the full name of the ErrorReason, `metadata` the facts that
    ErrorReason lists for it. `results` are those of the whole list; frames behind a refused one may be stored.
    """

    def __init__(self, index: int, error: v1.ItemError, results: Sequence[v1.FrameResult]) -> None:
        self.index = index
        self.reason = enum_name(v1.ErrorReason, error.reason)
        self.metadata = dict(error.metadata)
        self.error = error
        self.results = results
        super().__init__(f"frame {index}: {self.reason}: {error.message}")


def enum_name(kind: enum_type_wrapper.EnumTypeWrapper, number: int) -> str:
    """Returns the full name of an enum value; the number as text for one that a newer server knows and this client does not."""
    try:
        return kind.Name(number)
    except ValueError:
        return str(number)


def error_reason(error: grpc.RpcError) -> str:
    """Returns the reason that the server gave for a failed call, such as ERROR_REASON_STREAM_NOT_FOUND.

    It is empty for an error that does not come from the server: a lost connection, or a limit of this client.
    """
    info = _detail(error, error_details_pb2.ErrorInfo)
    return info.reason if info is not None else ""


def error_metadata(error: grpc.RpcError) -> dict[str, str]:
    """Returns the facts that the server gave for a failed call; ErrorReason lists the keys of each reason."""
    info = _detail(error, error_details_pb2.ErrorInfo)
    return dict(info.metadata) if info is not None else {}


def retry_delay_seconds(error: grpc.RpcError) -> float | None:
    """Returns how long the server asks to wait before the call is tried again, in seconds; None where it does not ask."""
    info = _detail(error, error_details_pb2.RetryInfo)
    return info.retry_delay.ToTimedelta().total_seconds() if info is not None else None


def _detail(error: grpc.RpcError, kind: type[_Detail]) -> _Detail | None:
    try:
        status = rpc_status.from_call(error)
    except (AttributeError, ValueError, message.DecodeError):
        # Details that contradict the status, or are no details at all, say nothing.
        return None
    if status is None:
        return None
    for detail in status.details:
        found = kind()
        if detail.Unpack(found):
            return found
    return None
