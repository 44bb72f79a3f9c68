"""Waits between tries."""

from __future__ import annotations

_FIRST_MS = 50
_LONGEST_MS = 1_000  # A Redis that is back is noticed within a second.


class Waits:
    """Waits between tries against something that is away: 50 ms, 100 ms, … at most 1 s."""

    def __init__(self) -> None:
        self.failures = 0

    def next(self) -> float:
        """Counts a failure; returns how long to wait before the next try, in seconds."""
        # The exponent is bounded too: hours of failures must not make a number of astronomic size.
        wait_ms = min(_FIRST_MS << min(self.failures, 5), _LONGEST_MS)
        self.failures += 1
        return wait_ms / 1_000

    def reset(self) -> None:
        self.failures = 0
