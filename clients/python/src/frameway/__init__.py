"""Client of Frameway, a gRPC service that carries camera frames.

`frameway.v1` is the generated code, the whole API. This package adds what most programs would write first: a channel with
limits that fit pictures, submitting that sends unconfirmed frames again, and subscribing and consuming that go on after a lost
connection.
"""

from frameway.client import Client, connect
from frameway.errors import FrameRefused, enum_name, error_metadata, error_reason, retry_delay_seconds

__all__ = ["Client", "FrameRefused", "connect", "enum_name", "error_metadata", "error_reason", "retry_delay_seconds"]
