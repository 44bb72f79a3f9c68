"""The parts of a running worker, put together."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from .attempt import Attempt
from .claim import Claim
from .claim_loop import ClaimLoop
from .control_listener import ControlListener
from .encoding import to_json
from .errors import StopReason
from .executor import Executor
from .heartbeat import Heartbeat
from .lanes import Lane, Shard, open_lanes
from .lease_keeper import LeaseKeeper
from .logs import bind
from .observer import Observer
from .outcome import RELEASED, Completed, Failed, Outcome
from .reporter import Reporter
from .settings import Settings
from .side_reporter import SideReporter
from .slots import ClaimSlots, QueueSlots, Slots
from .spans import start_span
from .task import TaskDefinition
from .version import VERSION

_logger = logging.getLogger(__name__)

_STOP_GRACE_SECONDS = 0.5
"""How long handlers may take to end once they are told to stop at a shutdown, so that two runs do not overlap."""
_PING_SECONDS = 2.0
_FLUSH_SECONDS = 3.0
"""How long a shutdown waits for Redis to take the last outcomes. What it does not take is run again."""


class Runtime:
    """Runs tasks from its making until it is stopped. Needs Redis only, and waits for it wherever it is away.

    Made inside a running event loop.
    """

    def __init__(self, tasks: Mapping[str, TaskDefinition], settings: Settings, observer: Observer) -> None:
        self._observer = observer
        self.worker_id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._is_stopping = False
        self._ended = dict.fromkeys(("completed", "retried", "failed", "released", "lost"), 0)
        self._types = list(tasks)
        self._lanes = open_lanes(settings)
        shards = [shard for lane in self._lanes for shard in lane.shards]
        self._slots = Slots(settings.concurrency, on_freed=self._wake)
        self._side = SideReporter(shards)
        self._reporter = Reporter(
            worker_id=self.worker_id, slots=self._slots, side=self._side, on_step=self._wake, observer=observer
        )
        self._executor = Executor(
            tasks, slots=self._slots, side=self._side, max_result_bytes=settings.max_result_bytes
        )
        self._keepers = [LeaseKeeper(shard, self._slots, settings.lease_ms) for shard in shards]
        self._controls = [self._open_control(lane) for lane in self._lanes]
        self._heartbeats = {lane: self._open_heartbeat(lane, tasks) for lane in self._lanes}
        self._extensions: set[asyncio.Task[None]] = set()
        self._claim_loops = deque(
            self._open_claim_loop(queues, slots) for queues, slots in self._group_queues()
        )
        bind(workerId=self.worker_id)
        _logger.info(
            "worker started",
            extra={"queues": settings.queues, "concurrency": settings.concurrency},
        )

    @property
    def running(self) -> int:
        """How many tasks it holds: running, or ended and not yet reported."""
        return self._slots.taken

    async def check(self) -> Mapping[str, str]:
        """Whether both lanes answer with all their shards, each with ``ok`` or what is wrong; takes two seconds at most."""
        if self._is_stopping:
            return {"process": "stopping"}
        high, low = await asyncio.gather(*(_ping(lane) for lane in self._lanes))
        return {"redisHigh": high, "redisLow": low}

    @property
    def strays(self) -> int:
        """Handlers that run on though their attempts were given up."""
        return self._executor.strays

    async def stop(self, grace_ms: int) -> None:
        """Claims no more, lets running tasks finish within the grace period, then tells the rest to stop and hands them back
        without using up an attempt. Called once; never raises."""
        self._is_stopping = True
        _logger.info("worker stops", extra={"running": self.running, "graceMs": grace_ms})
        await asyncio.gather(*(loop.stop() for loop in self._claim_loops))
        if not await self._slots.drained(grace_ms / 1_000):
            await self._hand_back()
        for keeper in self._keepers:
            keeper.stop()
        await asyncio.gather(*(control.close() for control in self._controls))
        await self._side.close()
        self._reporter.close()
        await asyncio.gather(*(heartbeat.stop() for heartbeat in self._heartbeats.values()))
        self._executor.close()
        await asyncio.gather(*(lane.close() for lane in self._lanes))
        _logger.info("worker stopped", extra={"unreported": self.running})

    async def _hand_back(self) -> None:
        for attempt in self._slots.all():
            attempt.stop(StopReason.SHUTDOWN)
        await self._slots.drained(_STOP_GRACE_SECONDS)
        for attempt in self._slots.all():
            attempt.settle(RELEASED)
        await self._slots.drained(_FLUSH_SECONDS)

    def _wake(self) -> None:
        """Lets the loops claim, each time another one first: those that come later find what is left."""
        self._claim_loops.rotate(-1)
        for loop in self._claim_loops:
            loop.wake()

    def _group_queues(self) -> Iterator[tuple[list[str], ClaimSlots]]:
        """Queues with limits of their own are claimed from one by one, since a call has one limit; the others in one call."""
        limits = self._settings.queue_limits
        unlimited = [queue for queue in self._settings.queues if queue not in limits]
        if unlimited:
            yield unlimited, self._slots
        for queue in self._settings.queues:
            if queue in limits:
                yield [queue], QueueSlots(self._slots, queue, limits[queue])

    def _open_claim_loop(self, queues: list[str], slots: ClaimSlots) -> ClaimLoop:
        return ClaimLoop(
            self._lanes,
            worker_id=self.worker_id,
            queues=queues,
            types=self._types,
            lease_ms=self._settings.lease_ms,
            slots=slots,
            is_freeing_slots=lambda: self._reporter.is_busy,
            accept=self._accept,
            on_claimed=self._wake,
            on_recovered=lambda shard: self._heartbeats[shard.lane].beat(),
            observer=self._observer,
        )

    def _accept(self, shard: Shard, claims: list[Claim]) -> None:
        for claim in claims:
            attempt = Attempt(claim, shard, self._on_settled)
            attempt.span = start_span(claim, self.worker_id)
            self._slots.take(attempt)
            if self._is_stopping:
                attempt.settle(RELEASED)
            else:
                # After this turn, so that the next claim is on its way before handlers use the processor.
                self._loop.call_soon(self._executor.start, attempt)

    def _on_settled(self, attempt: Attempt, outcome: Outcome) -> None:
        how = describe_end(attempt, outcome)
        self._ended[how] += 1
        self._observer.ended(attempt.claim.type, how, time.monotonic() - attempt.claimed_at)
        if attempt.span is not None:
            attempt.span.end(how, outcome.failure.get("code", "Error") if isinstance(outcome, Failed) else None)
        self._reporter.report(attempt, outcome)

    def _open_control(self, lane: Lane) -> ControlListener:
        return ControlListener(
            lane, worker_id=self.worker_id, slots=self._slots, on_gap=lambda: self._on_gap(lane)
        )

    def _open_heartbeat(self, lane: Lane, tasks: Mapping[str, TaskDefinition]) -> Heartbeat:
        return Heartbeat(
            lane,
            worker_id=self.worker_id,
            interval_ms=self._settings.heartbeat_interval_ms,
            tasks=tasks.values(),
            describe=self._describe,
        )

    def _on_gap(self, lane: Lane) -> None:
        self._heartbeats[lane].beat()
        # Extending the leases also tells which tasks are to stop.
        for keeper in self._keepers:
            if keeper.shard.lane is lane:
                extension = self._loop.create_task(_quietly_extend(keeper))
                self._extensions.add(extension)
                extension.add_done_callback(self._extensions.discard)

    def _describe(self) -> bytes:
        return to_json(
            {
                "language": "python",
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "version": VERSION,
                "types": self._types,
                "queues": self._settings.queues,
                "concurrency": self._settings.concurrency,
                "running": self.running,
                "attempts": self._ended,
                "startedAt": self._started_at,
            }
        )


def describe_end(attempt: Attempt, outcome: Outcome) -> str:
    """How an attempt ended, in a word."""
    if attempt.is_lost:
        return "lost"
    if isinstance(outcome, Completed):
        return "completed"
    if not isinstance(outcome, Failed):
        return "released"
    return "retried" if outcome.may_retry and attempt.claim.attempt < attempt.claim.max_attempts else "failed"


async def _ping(lane: Lane) -> str:
    try:
        await asyncio.wait_for(asyncio.gather(*(client.ping() for client in lane.clients)), _PING_SECONDS)
    except Exception:
        return "cannot be reached"
    return "ok"


async def _quietly_extend(keeper: LeaseKeeper) -> None:
    try:
        await keeper.extend()
    except Exception as error:
        _logger.debug("leases could not be extended: %s", error, extra={"shard": keeper.shard.id})
