"""Calls that collect what they carry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from .attempt import Attempt
from .waits import Waits

# More gain nothing, and one call must not block Redis for long.
_MAX_BATCH_ENTRIES = 500
_MAX_BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be told about an attempt."""

    attempt: Attempt
    args: tuple[str | bytes, ...]
    bytes: int
    """Roughly what it takes in a call."""


class Outbox:
    """Collects entries and sends them in one call at a time.

    What arrives in the same turn of the event loop, or while a call is on its way, shares the next call. Entries are kept
    until a call succeeded.
    """

    def __init__(
        self,
        *,
        send: Callable[[Sequence[Entry]], Awaitable[Collection[str]]],
        on_accepted: Callable[[Sequence[Entry], Collection[str]], None],
        on_dropped: Callable[[Sequence[Entry]], None],
        on_step: Callable[[Exception | None], None],
    ) -> None:
        """``send`` returns the ids whose lease was lost; ``on_accepted`` is told them with the batch. ``on_dropped`` is told of
        entries that were not sent, since their lease was lost meanwhile. ``on_step`` follows each call, with what it failed
        with."""
        self._send = send
        self._on_accepted = on_accepted
        self._on_dropped = on_dropped
        self._on_step = on_step
        self._waits = Waits()
        self._entries: list[Entry] = []
        self._flushing: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """A call is on its way or about to be: slots will be free soon. Not so while Redis is away."""
        return self._waits.failures == 0 and self._flushing is not None

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)
        if self._flushing is None:
            # It begins in the next turn: handlers that were started together end within the same one.
            self._flushing = asyncio.get_running_loop().create_task(self._flush())

    def close(self) -> None:
        """Gives up what is left."""
        self._entries.clear()
        if self._flushing is not None:
            self._flushing.cancel()

    async def _flush(self) -> None:
        while self._entries:
            batch = self._take_batch()
            if not batch:
                continue
            try:
                lost = await self._send(batch)
            except Exception as error:
                self._entries[:0] = batch
                wait = self._waits.next()
                self._on_step(error)
                await asyncio.sleep(wait)
                continue
            self._waits.reset()
            self._on_accepted(batch, lost)
            if self._entries:
                self._on_step(None)
        self._flushing = None
        self._on_step(None)

    def _take_batch(self) -> list[Entry]:
        batch: list[Entry] = []
        dropped: list[Entry] = []
        total = taken = 0
        for entry in self._entries:
            if len(batch) >= _MAX_BATCH_ENTRIES or (batch and total + entry.bytes > _MAX_BATCH_BYTES):
                break
            taken += 1
            (dropped if entry.attempt.is_lost else batch).append(entry)
            total += entry.bytes
        del self._entries[:taken]
        if dropped:
            self._on_dropped(dropped)
        return batch
