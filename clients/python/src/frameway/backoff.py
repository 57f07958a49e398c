"""The pause between two calls if the server does not state one."""

from __future__ import annotations

import random

_MAX_PAUSE_SECONDS = 5.0


def backoff_seconds(attempt: int) -> float:
    """Returns the pause after attempt number `attempt`, which counts from 1.

    The pauses grow, and have jitter so that many clients do not return at the same time.
    """
    return min(_MAX_PAUSE_SECONDS, 0.05 * 2 ** min(attempt, 10)) * random.uniform(0.5, 1.0)
