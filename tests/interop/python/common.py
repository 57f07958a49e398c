"""Messages that both Python clients send."""

from __future__ import annotations

import pathlib
import random

import grpc

from frameway import v1

PATIENCE_SECONDS = 60.0
SIDES = {"submit-subscribe": 16, "large-pictures": 3000}
"""The width and height of the pictures, by case."""


def credentials(root: str) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(pathlib.Path(root).read_bytes())


def channel_options(**options) -> list[tuple[str, object]]:
    all_options = {"max_receive_message_length": 32 << 20, "use_local_subchannel_pool": 1, **options}
    return [(f"grpc.{name}", value) for name, value in all_options.items()]


def frame(publisher: str, stream: str, side: int, number: int) -> v1.Frame:
    """Returns a frame of noise, which no codec compresses much."""
    return v1.Frame(
        stream_id=stream,
        publisher_id=publisher,
        publisher_sequence=number,
        format=v1.PICTURE_FORMAT_GRAY8,
        width=side,
        height=side,
        data=random.Random(number).randbytes(side * side),
    )


def earliest() -> v1.StartPosition:
    return v1.StartPosition(earliest=v1.StartEarliest())


def live() -> v1.StartPosition:
    return v1.StartPosition(live=v1.StartLive())


def after(stream: str, cursor: str) -> v1.StartPosition:
    cursors = [v1.StreamCursor(stream_id=stream, cursor=cursor)]
    return v1.StartPosition(cursors=v1.CursorList(cursors=cursors))


def selection(stream: str, start: v1.StartPosition) -> v1.SubscribeFramesRequest:
    request = v1.SubscribeFramesRequest()
    selector = request.selectors.add()
    selector.streams.add(id=stream)
    selector.start.CopyFrom(start)
    # A large picture of noise exceeds the default bound and would be omitted.
    selector.pictures.roles.append(v1.PICTURE_ROLE_PROCESSED)
    selector.pictures.max_picture_bytes = 31 << 20
    request.heartbeat_interval.FromSeconds(1)
    return request
