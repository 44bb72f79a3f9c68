"""Says that this worker lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from .lanes import Lane
from .task import TaskDefinition
from .waits import Waits

_logger = logging.getLogger(__name__)

_MISSED_UNTIL_FORGOTTEN = 3
"""A worker that missed this many is no longer listed."""


class Heartbeat:
    """Says that this worker lives, and which task types it runs: at once, at every interval, and whenever it is told to,
    since a lane that is back may have lost its data.

    ``describe`` gives what is shown of the worker, as JSON; it is asked at each heartbeat.
    """

    def __init__(
        self,
        lane: Lane,
        *,
        worker_id: str,
        interval_ms: int,
        tasks: Iterable[TaskDefinition],
        describe: Callable[[], bytes],
    ) -> None:
        self.lane = lane
        self._shard = lane.shards[0]
        self._worker_id = worker_id
        self._interval_ms = interval_ms
        self._types = [text for task in tasks for text in (task.type, task.payload_schema, task.defaults)]
        self._describe = describe
        self._waits = Waits()
        self._is_due = asyncio.Event()
        self._is_stopped = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    def beat(self) -> None:
        """Sends one now. The next follows an interval later, or soon if this one fails."""
        self._is_due.set()

    async def stop(self) -> None:
        """Takes the worker off the list; if Redis is away, it falls off by itself."""
        self._is_stopped = True
        self._is_due.set()
        # A heartbeat that overtook the goodbye would list the worker again.
        await self._task
        try:
            await self._shard.call("goodbye", self._worker_id)
        except Exception as error:
            _logger.debug("no goodbye: %s", error, extra={"lane": self.lane.name})

    async def _run(self) -> None:
        while not self._is_stopped:
            self._is_due.clear()
            wait = self._interval_ms / 1_000
            try:
                ttl = self._interval_ms * _MISSED_UNTIL_FORGOTTEN
                await self._shard.call("heartbeat", self._worker_id, self._describe(), ttl, *self._types)
                self._waits.reset()
            except Exception as error:
                _logger.debug("heartbeat failed: %s", error, extra={"lane": self.lane.name})
                wait = min(self._waits.next(), wait)
            try:
                await asyncio.wait_for(self._is_due.wait(), wait)
            except TimeoutError:
                pass
