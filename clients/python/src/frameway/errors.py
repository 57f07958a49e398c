"""What the server says went wrong, in a form that a program can act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import grpc
from google.protobuf import message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from frameway.v1 import error_reason_pb2, frame_pb2

_Detail = TypeVar("_Detail", bound=message.Message)


class FrameRefused(Exception):
    """A frame that the server surely did not store, and will not as it is.

    `index` is the frame's place in the submitted list, `reason` the name of the ErrorReason without its prefix. `results` are
    those of the whole list; frames behind a refused one may be stored.
    """

    def __init__(self, index: int, error: frame_pb2.FrameError, results: Sequence[frame_pb2.FrameResult]) -> None:
        self.index = index
        self.reason = reason_name(error.reason)
        self.error = error
        self.results = results
        super().__init__(f"frame {index}: {self.reason}: {error.message}")


def reason_name(reason: int) -> str:
    """Returns the name of an ErrorReason without its prefix; a number that this client does not know, as text."""
    try:
        return error_reason_pb2.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")
    except ValueError:
        return str(reason)


def error_reason(error: grpc.RpcError) -> str:
    """Returns the reason that the server gave for a failed call, such as STREAM_NOT_FOUND.

    It is empty for an error that does not come from the server: a lost connection, or a limit of this client.
    """
    info = _detail(error, error_details_pb2.ErrorInfo)
    return info.reason if info is not None else ""


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
