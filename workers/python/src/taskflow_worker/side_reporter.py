"""What running handlers say of themselves."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .attempt import Attempt
from .encoding import to_detail, to_record
from .lanes import Shard

_logger = logging.getLogger(__name__)

_FLUSH_SECONDS = 0.1
"""Progress is coalesced: subscribers get ten values a second of a task at most. Log lines wait as long for company."""
_MAX_LINES = 1_000
"""Lines kept of one attempt; then one more says that the rest was dropped."""
_MAX_BATCH = 500
"""Lines in one call."""


@dataclass(slots=True)
class _Said:
    """What an attempt said and the broker was not told yet."""

    lines: list[tuple[int, bytes]] = field(default_factory=list)
    progress: tuple[float, bytes] | None = None


class SideReporter:
    """Tells the broker what running handlers say, many in one call.

    What was said before an attempt ended is sent before its end. While Redis is away, it is lost. An attempt that is
    answered with a lost lease is given up. ``progress`` and ``log`` may be called in any thread.
    """

    def __init__(self, shards: Collection[Shard]) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._said: dict[Shard, dict[Attempt, _Said]] = {shard: {} for shard in shards}
        self._sending = {shard: asyncio.Lock() for shard in shards}
        self._is_armed = False
        self._flushes: set[asyncio.Task[None]] = set()

    def progress(self, attempt: Attempt, percent: float, detail: Any) -> None:
        """``percent`` is brought into 0 to 100."""
        value = float(percent)
        if attempt.is_settled or math.isnan(value):
            return
        text = to_detail(detail)
        with self._lock:
            self._of(attempt).progress = (min(100.0, max(0.0, value)), text)
        self._arm()

    def log(self, attempt: Attempt, level: str, message: str, fields: Mapping[str, Any]) -> None:
        if attempt.is_settled or attempt.line_count > _MAX_LINES:
            return
        record = to_record({"level": level, "message": str(message), "fields": dict(fields) or None})
        with self._lock:
            attempt.line_count += 1
            if attempt.line_count > _MAX_LINES:
                text = f"More than {_MAX_LINES} lines: the rest is not kept."
                record = to_record({"level": "warn", "message": text})
            self._of(attempt).lines.append((attempt.line_count, record))
        self._arm()

    async def flush(self, shard: Shard, attempts: Collection[Attempt] | None = None) -> None:
        """Sends what these attempts said, or all of the shard, and waits for what is on its way. Never raises."""
        sending = self._sending[shard]
        if not sending.locked() and not self._said[shard]:
            return
        async with sending:
            said = self._take(shard, attempts)
            lines = [
                (attempt, (number, record)) for attempt, one in said.items() for number, record in one.lines
            ]
            for start in range(0, len(lines), _MAX_BATCH):
                await self._send(shard, "log", lines[start : start + _MAX_BATCH])
            progress = [(attempt, one.progress) for attempt, one in said.items() if one.progress is not None]
            if progress:
                await self._send(shard, "progress", progress)

    async def close(self) -> None:
        """Sends what is left."""
        for shard in self._said:
            await self.flush(shard)

    def _of(self, attempt: Attempt) -> _Said:
        return self._said[attempt.shard].setdefault(attempt, _Said())

    def _take(self, shard: Shard, attempts: Collection[Attempt] | None) -> dict[Attempt, _Said]:
        with self._lock:
            said = self._said[shard]
            if attempts is None:
                self._said[shard] = {}
                return said
            return {attempt: said.pop(attempt) for attempt in attempts if attempt in said}

    def _arm(self) -> None:
        if self._is_armed:
            return
        self._is_armed = True
        try:
            self._loop.call_soon_threadsafe(self._loop.call_later, _FLUSH_SECONDS, self._flush_all)
        except RuntimeError:
            # A handler that was given up outlives the loop: nobody listens to it any more.
            pass

    def _flush_all(self) -> None:
        self._is_armed = False
        for shard, said in self._said.items():
            if said:
                flush = self._loop.create_task(self.flush(shard))
                self._flushes.add(flush)
                flush.add_done_callback(self._flushes.discard)

    async def _send(self, shard: Shard, function: str, items: Sequence[tuple[Attempt, tuple[float, bytes]]]) -> None:
        args: list[str | bytes | float] = []
        for attempt, item in items:
            args += (attempt.claim.id, attempt.claim.token, *item)
        try:
            lost = await shard.call(function, *args)
        except Exception as error:
            _logger.warning("%s was not taken: %s", function, error, extra={"shard": shard.id})
            return
        for attempt, _ in items:
            if attempt.claim.id in lost and not attempt.is_lost:
                if not attempt.is_settled:
                    _logger.info("lease lost: the handler is told to stop", extra={"taskId": attempt.claim.id, "attempt": attempt.claim.attempt})
                attempt.lose()
