"""How long to wait between two calls, where the server does not say."""

from __future__ import annotations

import random

_LONGEST_PAUSE_SECONDS = 5.0


def backoff_seconds(attempt: int) -> float:
    """Returns the pause before attempt `attempt`, from 1: longer each time, and spread so that many clients do not come back at
    once."""
    return min(_LONGEST_PAUSE_SECONDS, 0.05 * 2 ** min(attempt, 10)) * random.uniform(0.5, 1.0)
