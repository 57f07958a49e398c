"""A client of Frameway, a gRPC service that carries camera frames.

`connect` returns a client with four more words: `publisher`, `subscribe`, `consume` and `latest`.
`frameway.aio` has the same for asyncio. `frameway.v1` is the generated code of the whole API.
"""

from frameway.client import Client, connect
from frameway.consumer import Consumer
from frameway.credentials import Credentials
from frameway.cursors import CursorStore, FileCursors
from frameway.errors import (
    BufferFull,
    CallError,
    ClientClosed,
    ConfigError,
    CursorError,
    DeadlineExceeded,
    Error,
    FrameRefused,
    Reject,
    enum_name,
    error_metadata,
    error_reason,
    retry_delay_seconds,
)
from frameway.events import Frame, Gap, Latest
from frameway.pictures import Picture, PictureMissing, frame
from frameway.publisher import Publisher
from frameway.stream_queue import Fate
from frameway.subscription import Subscription

__all__ = [
    "BufferFull",
    "CallError",
    "Client",
    "ClientClosed",
    "ConfigError",
    "Consumer",
    "Credentials",
    "CursorError",
    "CursorStore",
    "DeadlineExceeded",
    "Error",
    "Fate",
    "FileCursors",
    "Frame",
    "FrameRefused",
    "Gap",
    "Latest",
    "Picture",
    "PictureMissing",
    "Publisher",
    "Reject",
    "Subscription",
    "connect",
    "enum_name",
    "error_metadata",
    "error_reason",
    "frame",
    "retry_delay_seconds",
]
