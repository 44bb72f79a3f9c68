"""Keeps the leases of what runs."""

from __future__ import annotations

import asyncio
import logging

from .attempt import Attempt
from .errors import StopReason
from .lanes import Shard
from .slots import Slots
from .waits import Waits

_logger = logging.getLogger(__name__)


class LeaseKeeper:
    """Extends the leases of all attempts of one shard, in one call at a third of their time.

    Attempts whose lease was lost are given up: another worker may run their tasks already. Those that were told to stop are
    stopped, should the message have been lost.
    """

    def __init__(self, shard: Shard, slots: Slots, lease_ms: int) -> None:
        self.shard = shard
        self._slots = slots
        self._lease_ms = lease_ms
        self._waits = Waits()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        self._task.cancel()

    async def extend(self) -> None:
        """Extends them now. Raises what ``Shard.call`` does."""
        held = list(self._slots.of(self.shard).values())
        if not held:
            return
        fences = [text for attempt in held for text in (attempt.claim.id, attempt.claim.token)]
        lost, stopping = await self.shard.call("extend", self._lease_ms, *fences)
        current = self._slots.of(self.shard)
        for task_id in stopping[::2]:
            attempt = current.get(task_id)
            if attempt is not None:
                attempt.stop(StopReason.CANCELLED)
        lost_ids = set(lost)
        # Only those that were asked about: a task that ended meanwhile may be back in a new attempt, which is not lost.
        for attempt in held:
            if attempt.claim.id in lost_ids:
                self._lose(attempt)

    def _lose(self, attempt: Attempt) -> None:
        # One that was reported while this call was on its way is lost only in the sense that it has ended.
        if self._slots.of(self.shard).get(attempt.claim.id) is not attempt:
            return
        if not attempt.is_settled:
            _logger.info("lease lost: the handler is told to stop", extra={"taskId": attempt.claim.id, "attempt": attempt.claim.attempt})
        attempt.lose()

    async def _run(self) -> None:
        third = self._lease_ms / 3_000
        wait = third
        while True:
            await asyncio.sleep(wait)
            try:
                await self.extend()
                self._waits.reset()
                wait = third
            except Exception as error:
                if self._waits.failures == 0:
                    _logger.warning("leases could not be extended: %s", error, extra={"shard": self.shard.id})
                wait = min(self._waits.next(), third)
