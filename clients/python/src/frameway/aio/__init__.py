"""The client for asyncio. It has the same words as the client for threads, and the same rules.

Use a client in the event loop in which it was made.
"""

from frameway.aio.client import Client, connect
from frameway.aio.consumer import Consumer
from frameway.aio.publisher import Publisher
from frameway.aio.subscription import Subscription

__all__ = ["Client", "Consumer", "Publisher", "Subscription", "connect"]
