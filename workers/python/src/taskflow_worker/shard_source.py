"""One shard as a claimer sees it."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Sequence

from .lanes import Shard
from .wake_listener import WakeListener
from .waits import Waits


class _State(enum.Enum):
    ASLEEP = enum.auto()
    HAS_WORK = enum.auto()
    CLAIMING = enum.auto()
    BACKING_OFF = enum.auto()


class ShardSource:
    """Asleep in a blocking read, known to have work, being claimed from, or out of order.

    ``on_work`` is told whenever the shard came to have work, or is worth another try: then ``is_woken`` is False.
    """

    def __init__(self, shard: Shard, keys: Sequence[str], on_work: Callable[[ShardSource, bool], None]) -> None:
        self.shard = shard
        self._on_work = on_work
        self._listener = WakeListener(shard, keys, self._wake)
        self._waits = Waits()
        self._state = _State.HAS_WORK
        self._is_woken_again = False
        """A token came while a claim was on its way: it may have been served before the token's tasks arrived."""
        self._retry: asyncio.TimerHandle | None = None

    @property
    def has_work(self) -> bool:
        return self._state is _State.HAS_WORK

    @property
    def is_answering_soon(self) -> bool:
        """A claim is on its way and likely to be answered at once. Not so after one that failed."""
        return self._state is _State.CLAIMING and self._waits.failures == 0

    @property
    def has_failed(self) -> bool:
        return self._waits.failures > 0

    def begin_claim(self) -> None:
        self._state = _State.CLAIMING
        self._is_woken_again = False

    def end_claim(self, is_more_likely: bool) -> None:
        """``is_more_likely``: the claim returned as many as it asked for."""
        self._waits.reset()
        if is_more_likely or self._is_woken_again:
            self._state = _State.HAS_WORK
        else:
            self._state = _State.ASLEEP
            self._listener.listen()

    def fail_claim(self) -> None:
        self._state = _State.BACKING_OFF
        self._retry = asyncio.get_running_loop().call_later(self._waits.next(), self._try_again)

    async def close(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        await self._listener.close()

    def _try_again(self) -> None:
        self._state = _State.HAS_WORK
        self._on_work(self, False)

    def _wake(self) -> None:
        if self._state is _State.CLAIMING:
            self._is_woken_again = True
        elif self._state is _State.ASLEEP:
            self._state = _State.HAS_WORK
            self._on_work(self, True)
