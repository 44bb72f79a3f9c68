"""Keeps the slots filled."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence

from .claim import Claim, to_claims
from .lanes import Lane, Shard
from .observer import Observer
from .shard_source import ShardSource
from .slots import ClaimSlots

_logger = logging.getLogger(__name__)

_LOW_FIRST_EVERY = 8
"""Every so many claims the low lane, and in it the low priority, goes first, so that nothing starves."""


class ClaimLoop:
    """Claims for free slots. A shard sleeps in a blocking read until it has work; then it is claimed from until it gives less
    than was asked for. Nothing is polled.

    ``is_freeing_slots`` says whether more slots will be free within a moment, so that one call can fill them together;
    ``accept`` takes over what was claimed, and takes the slots for it; ``on_claimed`` is told when a claim was answered: slots
    that it did not fill may serve other loops; ``on_recovered``, when a shard answers again after it failed: it may have lost
    its data.
    """

    def __init__(
        self,
        lanes: tuple[Lane, Lane],
        *,
        worker_id: str,
        queues: Sequence[str],
        types: Sequence[str],
        lease_ms: int,
        slots: ClaimSlots,
        is_freeing_slots: Callable[[], bool],
        accept: Callable[[Shard, list[Claim]], None],
        on_claimed: Callable[[], None],
        on_recovered: Callable[[Shard], None],
        observer: Observer,
    ) -> None:
        self._worker_id = worker_id
        self._queues = queues
        self._types = types
        self._lease_ms = lease_ms
        self._slots = slots
        self._is_freeing_slots = is_freeing_slots
        self._accept = accept
        self._on_claimed = on_claimed
        self._on_recovered = on_recovered
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._claims: set[asyncio.Task[None]] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self._rounds = 0
        self._is_scheduled = False
        self._is_stopped = False
        self._high, self._low = ([self._open(shard) for shard in lane.shards] for lane in lanes)
        self.wake()

    def wake(self) -> None:
        """Looks whether to claim, at the end of this turn: slots are freed many at once."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._claim_all)

    async def stop(self) -> None:
        """Stops claiming. What a claim on its way still brings is accepted before this returns."""
        self._is_stopped = True
        if self._claims:
            await asyncio.wait(self._claims)
        sources = [*self._high, *self._low]
        await asyncio.gather(*(source.close() for source in sources))
        # A token may have been taken on the way.
        await asyncio.gather(*(self._pass_on(source.shard) for source in sources))

    def _open(self, shard: Shard) -> ShardSource:
        keys = [shard.wake_key(queue, type) for queue in self._queues for type in self._types]
        return ShardSource(shard, keys, self._on_work)

    def _on_work(self, source: ShardSource, is_woken: bool) -> None:
        if is_woken and self._slots.free <= 0:
            passing = self._loop.create_task(self._pass_on(source.shard))
            self._passing.add(passing)
            passing.add_done_callback(self._passing.discard)
        else:
            self.wake()

    def _claim_all(self) -> None:
        self._is_scheduled = False
        while not self._is_stopped and self._is_worth_claiming():
            is_low_first = self._rounds % _LOW_FIRST_EVERY == _LOW_FIRST_EVERY - 1
            source = self._next(is_low_first)
            if source is None:
                return
            self._rounds += 1
            # At most half of the slots at once: while one half runs and is reported, Redis gives out the other.
            limit = min(self._slots.free, math.ceil(self._slots.concurrency / 2))
            source.begin_claim()
            self._slots.reserve(limit)
            claiming = self._loop.create_task(self._claim_from(source, limit, is_low_first))
            self._claims.add(claiming)
            claiming.add_done_callback(self._claims.discard)

    def _is_worth_claiming(self) -> bool:
        """One call for each slot would halve the throughput: a quarter is awaited, but only while more are about to be free."""
        free = self._slots.free
        return free > 0 and (free >= self._slots.concurrency / 4 or not self._is_freeing_slots())

    def _next(self, is_low_first: bool) -> ShardSource | None:
        """The first shard that has work; shards of a lane take turns. A claim on its way is awaited before one goes to a later
        shard, so that a lower lane gets only what a higher one leaves; but a shard that failed last time holds nobody up."""
        for sources in (self._low, self._high) if is_low_first else (self._high, self._low):
            for i in range(len(sources)):
                source = sources[(self._rounds + i) % len(sources)]
                if source.has_work:
                    return source
                if source.is_answering_soon:
                    return None
        return None

    async def _claim_from(self, source: ShardSource, limit: int, is_low_first: bool) -> None:
        started_at = self._loop.time()
        try:
            claims = await self._claim(source.shard, limit, is_low_first)
        except Exception as error:
            if not source.has_failed:
                _logger.warning("claiming failed; trying on: %s", error, extra={"shard": source.shard.id})
            self._slots.unreserve(limit)
            source.fail_claim()
        else:
            self._slots.unreserve(limit)
            self._observer.claimed(len(claims), self._loop.time() - started_at)
            self._accept(source.shard, claims)
            if source.has_failed:
                self._on_recovered(source.shard)
            source.end_claim(len(claims) == limit)
        self._claim_all()
        self._on_claimed()

    async def _claim(self, shard: Shard, limit: int, is_low_first: bool) -> list[Claim]:
        low_first = "1" if is_low_first else "0"
        queues, types = ",".join(self._queues), ",".join(self._types)
        # The last one asks for traces.
        return to_claims(
            await shard.call("claim", self._worker_id, limit, self._lease_ms, low_first, queues, types, "1")
        )

    async def _pass_on(self, shard: Shard) -> None:
        """A token that this worker cannot use is for another. A claim of none leaves a new token wherever tasks wait. Should it
        fail, the promoter wakes somebody."""
        try:
            await self._claim(shard, 0, False)
        except Exception:
            pass
