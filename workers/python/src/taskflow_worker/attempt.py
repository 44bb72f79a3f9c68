"""One run of a task by this worker."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from .claim import Claim
from .errors import StopReason
from .lanes import Shard
from .outcome import RELEASED, Outcome
from .spans import AttemptSpan


class Attempt:
    """From its claim until its outcome was accepted. Only the event loop changes it; handlers in threads look at it."""

    __slots__ = (
        "claim",
        "shard",
        "cancelled",
        "stop_reason",
        "is_lost",
        "is_settled",
        "deadline",
        "task",
        "is_in_thread",
        "line_count",
        "span",
        "claimed_at",
        "_on_settled",
    )

    def __init__(self, claim: Claim, shard: Shard, on_settled: Callable[[Attempt, Outcome], None]) -> None:
        self.claim = claim
        self.shard = shard
        self.cancelled = threading.Event()
        """Set when the handler is told to stop, for whatever reason."""
        self.stop_reason: StopReason | None = None
        self.is_lost = False
        """The lease is gone: nothing may be reported any more."""
        self.is_settled = False
        self.deadline: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[Any] | None = None
        """Of an async handler."""
        self.is_in_thread = False
        """A thread works on it, be it settled or not."""
        self.line_count = 0
        """Log lines so far."""
        self.span: AttemptSpan | None = None
        """Where its task is traced, and spans can be made."""
        self.claimed_at = time.monotonic()
        self._on_settled = on_settled

    @property
    def traceparent(self) -> str | None:
        """W3C Trace Context that its handler passes on; None where its task is not traced."""
        return self.span.traceparent if self.span is not None else self.claim.traceparent

    def settle(self, outcome: Outcome) -> None:
        """Says how it ended. The first to do so decides: the handler, its deadline, the loss of its lease, or the shutdown."""
        if self.is_settled:
            return
        self.is_settled = True
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
        self._on_settled(self, outcome)

    def stop(self, reason: StopReason) -> None:
        """Tells the handler to stop. Only the first reason counts."""
        if self.stop_reason is not None:
            return
        self.stop_reason = reason
        self.cancelled.set()
        if self.task is not None:
            self.task.cancel(reason.value)

    def lose(self) -> None:
        """Gives it up without waiting for its handler, whose slot is needed."""
        self.is_lost = True
        self.stop(StopReason.LEASE_LOST)
        self.settle(RELEASED)
