"""How long failed tasks wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WEEK_MS = 7 * 24 * 60 * 60 * 1_000
_HOUR_MS = 60 * 60 * 1_000


@dataclass(frozen=True)
class Backoff:
    """How long a failed task waits for its next attempt, unless the task or the handler says otherwise."""

    kind: Literal["FIXED", "EXPONENTIAL"]
    """FIXED: always ``delay_ms``; EXPONENTIAL: twice as long with each attempt."""
    delay_ms: int
    """Before the second attempt."""
    max_delay_ms: int | None = None
    """Never longer than this, and not less than ``delay_ms``. Default: an hour, or ``delay_ms`` where that is more."""
    jitter: float = 0.5
    """Which share of the delay is random, 0 to 1."""

    def __post_init__(self) -> None:
        if self.kind not in ("FIXED", "EXPONENTIAL"):
            raise ValueError(f"kind must be FIXED or EXPONENTIAL, not {self.kind!r}")
        for name, value in (("delay_ms", self.delay_ms), ("max_delay_ms", self.max_delay_ms or 0)):
            if not 0 <= value <= WEEK_MS:
                raise ValueError(f"{name} must be between 0 and {WEEK_MS}")
        if self.max_delay_ms is not None and self.max_delay_ms < self.delay_ms:
            raise ValueError("max_delay_ms must not be less than delay_ms")
        if not 0 <= self.jitter <= 1:
            raise ValueError("jitter must be between 0 and 1")

    def encode(self) -> str:
        """As the broker reads it: ``E:1000:3600000:0.500``."""
        most = max(self.delay_ms, _HOUR_MS) if self.max_delay_ms is None else self.max_delay_ms
        return f"{self.kind[0]}:{self.delay_ms}:{most}:{self.jitter:.3f}"
