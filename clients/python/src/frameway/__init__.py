"""A client of Frameway, a gRPC service that carries camera frames.

`frameway.v1` is the generated code of the whole API. This package adds what most programs need: a
channel with limits that fit pictures; `submit`, which sends unconfirmed frames again; and
`subscribe` and `consume`, which continue after a lost connection.
"""

from frameway.client import Client, connect
from frameway.errors import ClientClosed, FrameRefused, enum_name, error_metadata, error_reason, retry_delay_seconds

__all__ = [
    "Client",
    "ClientClosed",
    "FrameRefused",
    "connect",
    "enum_name",
    "error_metadata",
    "error_reason",
    "retry_delay_seconds",
]
