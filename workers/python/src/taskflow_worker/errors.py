"""What handlers raise, and what they are told by."""

from __future__ import annotations

import enum
import math


class StopReason(enum.Enum):
    """Why an attempt was told to stop."""

    CANCELLED = "CANCELLED"
    """Somebody cancelled the task: however the attempt ends now, the task is CANCELLED."""
    TIMEOUT = "TIMEOUT"
    """The attempt took longer than the task's ``timeoutMs``."""
    LEASE_LOST = "LEASE_LOST"
    """Another worker may have the task by now: whatever is done here is in vain."""
    SHUTDOWN = "SHUTDOWN"
    """The worker shuts down, and the task is handed back."""


class DoNotRetry(Exception):
    """Raised by a handler whose task would fail again: the task ends at once as a dead letter.

    ``code`` is kept with the error, for programs.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class RetryAfter(Exception):
    """Raised by a handler that knows when trying again makes sense, for instance from a Retry-After header.

    ``delay_ms`` is until the next attempt; what is negative or no number counts as 0.
    """

    def __init__(self, delay_ms: float, message: str = "", *, code: str | None = None) -> None:
        super().__init__(message or f"to be tried again after {delay_ms} ms")
        self.delay_ms = max(0, math.ceil(delay_ms)) if math.isfinite(delay_ms) else 0
        self.code = code


class TaskStopped(Exception):
    """Raised by ``ctx.raise_if_cancelled()``. Handlers let it pass; what it is taken for depends on ``reason``."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(f"the attempt was told to stop: {reason.value}")
        self.reason = reason


class SettingsError(ValueError):
    """Settings that cannot be used; the message names each, one a line."""


class BrokerNotReadyError(Exception):
    """The shard lost its data, or its functions were not loaded yet: the manager will see to it. Trying again helps."""
