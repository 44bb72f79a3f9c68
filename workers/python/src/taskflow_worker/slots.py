"""How much this worker holds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from .attempt import Attempt
from .lanes import Shard


class ClaimSlots(Protocol):
    """What one claim loop may fill."""

    @property
    def concurrency(self) -> int:
        """How many it fills at most."""

    @property
    def free(self) -> int:
        """How many tasks may be claimed now: neither taken nor reserved for a claim on its way."""

    def reserve(self, count: int) -> None: ...

    def unreserve(self, count: int) -> None: ...


class Slots:
    """The attempts that this worker holds, at most ``concurrency``.

    One occupies its slot until its outcome was accepted, not only until its handler ended: while Redis is away, outcomes
    cannot pile up. A thread cannot be killed: a plain handler that was given up works on without a slot, so that the worker
    goes on serving. At most ``concurrency`` threads do; a further one keeps its slot until it ends.
    """

    def __init__(self, concurrency: int, on_freed: Callable[[], None]) -> None:
        self.concurrency = concurrency
        self.taken = 0
        self.taken_by_queue: Counter[str] = Counter()
        self._reserved = 0
        self._strays: set[Attempt] = set()
        self._lingering: set[Attempt] = set()
        self._by_shard: dict[Shard, dict[str, Attempt]] = {}
        self._on_freed = on_freed
        self._drained = asyncio.Event()
        self._drained.set()

    @property
    def free(self) -> int:
        return self.concurrency - self.taken - self._reserved

    @property
    def strays(self) -> int:
        """Threads that work on attempts that were given up."""
        return len(self._strays) + len(self._lingering)

    def reserve(self, count: int) -> None:
        self._reserved += count

    def unreserve(self, count: int) -> None:
        self._reserved -= count

    def take(self, attempt: Attempt) -> None:
        attempts = self._by_shard.setdefault(attempt.shard, {})
        # A task has one holder. That this worker was given it again says that it lost the earlier lease.
        earlier = attempts.get(attempt.claim.id)
        if earlier is not None:
            earlier.lose()
        attempts[attempt.claim.id] = attempt
        self.taken += 1
        self.taken_by_queue[attempt.claim.queue] += 1
        self._drained.clear()

    def release(self, attempt: Attempt) -> None:
        """Called once for each attempt that was taken."""
        attempts = self._by_shard.get(attempt.shard, {})
        if attempts.get(attempt.claim.id) is attempt:
            del attempts[attempt.claim.id]
        if not attempt.is_in_thread:
            self._free(attempt)
        elif len(self._strays) < self.concurrency:
            self._strays.add(attempt)
            self._free(attempt)
        else:
            self._lingering.add(attempt)

    def thread_ended(self, attempt: Attempt) -> None:
        """The thread that worked on this attempt is free again."""
        attempt.is_in_thread = False
        if attempt in self._lingering:
            self._lingering.remove(attempt)
            self._free(attempt)
            self._on_freed()
        else:
            self._strays.discard(attempt)

    def of(self, shard: Shard) -> Mapping[str, Attempt]:
        """By task id: each task has at most one attempt that still counts."""
        return self._by_shard.get(shard, {})

    def all(self) -> list[Attempt]:
        return [attempt for attempts in self._by_shard.values() for attempt in attempts.values()]

    async def drained(self, timeout: float) -> bool:
        """Waits until no attempt is held, but not longer than ``timeout`` seconds. Returns whether none is."""
        try:
            await asyncio.wait_for(self._drained.wait(), timeout)
        except TimeoutError:
            return False
        return True

    def _free(self, attempt: Attempt) -> None:
        self.taken -= 1
        queue = attempt.claim.queue
        self.taken_by_queue[queue] -= 1
        if self.taken_by_queue[queue] == 0:
            # Names of queues come from submitters, without an end.
            del self.taken_by_queue[queue]
        if self.taken == 0:
            self._drained.set()


class QueueSlots:
    """The slots that tasks of one queue may take: some of all, at most ``limit``."""

    def __init__(self, slots: Slots, queue: str, limit: int) -> None:
        self.concurrency = min(limit, slots.concurrency)
        self._all = slots
        self._queue = queue
        self._reserved = 0

    @property
    def free(self) -> int:
        return min(self._all.free, self.concurrency - self._all.taken_by_queue[self._queue] - self._reserved)

    def reserve(self, count: int) -> None:
        self._reserved += count
        self._all.reserve(count)

    def unreserve(self, count: int) -> None:
        self._reserved -= count
        self._all.unreserve(count)
