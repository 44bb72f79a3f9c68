"""How attempts ended, told to the broker."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial

from .attempt import Attempt
from .encoding import to_json
from .lanes import Shard
from .observer import Observer
from .outbox import Entry, Outbox
from .outcome import Completed, Failed, Outcome
from .side_reporter import SideReporter
from .slots import Slots

_logger = logging.getLogger(__name__)

_FENCE_BYTES = 80
"""An id, a token and the lengths between them."""


class Reporter:
    """Tells the broker how attempts ended, many in one call for each shard.

    It frees their slots once they were accepted or their lease turned out to be lost. While Redis is away they are kept.
    ``on_step`` is told when slots were freed, or when waiting for them became pointless.
    """

    def __init__(
        self,
        *,
        worker_id: str,
        slots: Slots,
        side: SideReporter,
        on_step: Callable[[], None],
        observer: Observer | None = None,
    ) -> None:
        self._worker_id = worker_id
        self._observer = observer or Observer()
        self._slots = slots
        self._side = side
        self._on_step = on_step
        # One for each call that reports, since a call takes outcomes of one kind.
        self._outboxes: dict[tuple[Shard, str], Outbox] = {}
        self._away: set[tuple[Shard, str]] = set()

    @property
    def is_busy(self) -> bool:
        """Some slots will be free as soon as Redis answers."""
        return any(outbox.is_busy for outbox in self._outboxes.values())

    def report(self, attempt: Attempt, outcome: Outcome) -> None:
        if attempt.is_lost:
            self._drop([attempt])
            return
        id, token = attempt.claim.id, attempt.claim.token
        if isinstance(outcome, Completed):
            size = _FENCE_BYTES + len(outcome.result)
            self._add("complete", Entry(attempt, (id, token, outcome.result), size))
        elif isinstance(outcome, Failed):
            error = to_json(outcome.failure)
            retry = "1" if outcome.may_retry else "0"
            delay = "" if outcome.delay_ms is None else str(outcome.delay_ms)
            self._add("fail", Entry(attempt, (id, token, error, retry, delay), _FENCE_BYTES + len(error)))
        else:
            self._add("release", Entry(attempt, (id, token), _FENCE_BYTES))

    def close(self) -> None:
        """Gives up what was not accepted yet: its leases run out, and the tasks are run again."""
        for outbox in self._outboxes.values():
            outbox.close()

    def _add(self, function: str, entry: Entry) -> None:
        key = (entry.attempt.shard, function)
        outbox = self._outboxes.get(key)
        if outbox is None:
            outbox = Outbox(
                send=partial(self._send, *key),
                on_accepted=self._free,
                on_dropped=lambda entries: self._drop([entry.attempt for entry in entries]),
                on_step=partial(self._after_call, key),
            )
            self._outboxes[key] = outbox
        outbox.add(entry)

    async def _send(self, shard: Shard, function: str, entries: Sequence[Entry]) -> Collection[str]:
        await self._side.flush(shard, [entry.attempt for entry in entries])
        started_at = time.monotonic()
        lost: list[str] = await shard.call(
            function, self._worker_id, *(arg for entry in entries for arg in entry.args)
        )
        self._observer.reported(len(entries), len(lost), time.monotonic() - started_at)
        return lost

    def _free(self, entries: Sequence[Entry], lost_ids: Collection[str]) -> None:
        for entry in entries:
            self._slots.release(entry.attempt)
        # After a call that broke off, this is also how one looks that Redis had already taken.
        for task_id in lost_ids:
            _logger.info("lease lost: the outcome was not taken", extra={"taskId": task_id})

    def _drop(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            self._slots.release(attempt)
            fields = {"taskId": attempt.claim.id, "attempt": attempt.claim.attempt}
            _logger.info("lease lost: the outcome was dropped", extra=fields)
        self._on_step()

    def _after_call(self, key: tuple[Shard, str], error: Exception | None) -> None:
        # Once an outage, not once a try.
        if error is not None and key not in self._away:
            self._away.add(key)
            message = "outcomes are kept until the shard takes them: %s"
            _logger.warning(message, error, extra={"shard": key[0].id})
        elif error is None and key in self._away:
            self._away.remove(key)
            _logger.info("the shard takes outcomes again", extra={"shard": key[0].id})
        self._on_step()
