"""What a handler sees of its attempt."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, Literal

from .attempt import Attempt
from .errors import StopReason, TaskStopped
from .side_reporter import SideReporter

LogLevel = Literal["debug", "info", "warn", "error"]


class Context:
    """Given to a handler beside its payload. May be used from any thread."""

    __slots__ = ("payload", "_attempt", "_side", "_parents")

    def __init__(self, attempt: Attempt, payload: Any, side: SideReporter) -> None:
        self.payload = payload
        self._attempt = attempt
        self._side = side
        self._parents: Mapping[str, Any] | None = None

    @property
    def task_id(self) -> str:
        return self._attempt.claim.id

    @property
    def attempt(self) -> int:
        """Counted from 1."""
        return self._attempt.claim.attempt

    @property
    def max_attempts(self) -> int:
        return self._attempt.claim.max_attempts

    @property
    def owner_id(self) -> str:
        return self._attempt.claim.owner_id

    @property
    def queue(self) -> str:
        return self._attempt.claim.queue

    @property
    def traceparent(self) -> str | None:
        """W3C Trace Context, for what the handler asks elsewhere; None where its task is not traced.

        With ``opentelemetry-api``, it is that of the attempt's own span, which is also the current one.
        """
        return self._attempt.traceparent

    @property
    def parents(self) -> Mapping[str, Any]:
        """What became of the tasks that it waited for, by their names in the flow, or their ids.

        Each has ``taskId``, ``status``, and ``result`` or ``error``; ``isOmitted`` where the results were too large.
        """
        if self._parents is None:
            parents = self._attempt.claim.parents
            self._parents = json.loads(parents) if parents else {}
        return self._parents

    @property
    def cancelled(self) -> threading.Event:
        """Set when going on is pointless: the deadline passed, the task was cancelled, the lease was lost, or the worker
        shuts down. A plain handler looks at it, or waits with ``ctx.cancelled.wait(seconds)`` instead of ``time.sleep``;
        an ``async`` one is cancelled besides."""
        return self._attempt.cancelled

    @property
    def stop_reason(self) -> StopReason | None:
        """Why ``cancelled`` is set."""
        return self._attempt.stop_reason

    def raise_if_cancelled(self) -> None:
        """Raises TaskStopped once ``cancelled`` is set."""
        reason = self._attempt.stop_reason
        if reason is not None:
            raise TaskStopped(reason)

    def progress(self, percent: float, detail: Any = None) -> None:
        """Says how far the attempt is, 0 to 100. Subscribers get it live, at most ten times a second; the last value is kept.

        ``detail``: any JSON of at most 4 KiB; of a larger one only the size is kept.
        """
        self._side.progress(self._attempt, percent, detail)

    def log(self, level: LogLevel, message: str, /, **fields: Any) -> None:
        """Keeps a line with the task, where its owner reads it, live or later.

        At most 1,000 lines of an attempt are kept, of about 8,000 characters each.
        """
        self._side.log(self._attempt, level, message, fields)
