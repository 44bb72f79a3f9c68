"""Waiting for work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from .lanes import Shard
from .redis_client import close_client
from .waits import Waits

_logger = logging.getLogger(__name__)

_BLOCK_SECONDS = 5
"""A safety net for wake-ups that were lost with a connection or a worker. Work that arrives in between wakes at once."""
_REPLY_GRACE_SECONDS = 2
"""A read that Redis has not even ended by itself sits on a dead connection."""
_UNBLOCK_SECONDS = 1.0
"""How long ending a read may take; a connection that breaks meanwhile must not hold up a shutdown."""


class WakeListener:
    """Sleeps in a blocking read on a connection of its own until a shard has work.

    ``on_wake`` is told when claiming is worth a try: at a token, when the connection broke, and when nothing came for a
    while.
    """

    def __init__(self, shard: Shard, keys: Sequence[str], on_wake: Callable[[], None]) -> None:
        self._shard = shard
        self._keys = keys
        self._on_wake = on_wake
        self._client = shard.open(read_timeout=_BLOCK_SECONDS + _REPLY_GRACE_SECONDS, is_single=True)
        self._client_id: int | None = None
        self._waits = Waits()
        self._wanted = asyncio.Event()
        self._unblocked = asyncio.Event()
        self._unblocked.set()
        self._is_closed = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    def listen(self) -> None:
        """Waits for the next wake-up, unless it waits already."""
        self._wanted.set()

    async def close(self) -> None:
        """Stops waiting and closes the connection.

        The read is ended before the connection is: Redis might otherwise give a token to a connection that nobody reads.
        """
        self._is_closed = True
        if not self._unblocked.is_set() and self._client_id is not None:
            try:
                await asyncio.wait_for(self._unblock(self._client_id), _UNBLOCK_SECONDS)
            except Exception:  # Redis is away: nothing will give this connection a token.
                pass
        self._task.cancel()
        await asyncio.wait([self._task])
        await close_client(self._client)

    async def _unblock(self, client_id: int) -> None:
        await self._shard.redis.execute_command("CLIENT", "UNBLOCK", client_id)
        await self._unblocked.wait()

    async def _run(self) -> None:
        while not self._is_closed:
            await self._wanted.wait()
            self._unblocked.clear()
            try:
                await self._block()
            finally:
                self._unblocked.set()
            self._wanted.clear()
            if not self._is_closed:
                self._on_wake()

    async def _block(self) -> None:
        try:
            if self._client_id is None:
                self._client_id = int(await self._client.execute_command("CLIENT ID"))
            await self._client.execute_command("BLPOP", *self._keys, _BLOCK_SECONDS)
            self._waits.reset()
        except Exception as error:
            self._client_id = None
            _logger.debug("waiting for work failed: %s", error, extra={"shard": self._shard.id})
            # Without the wait, this would go round as fast as it can.
            if not self._is_closed:
                await asyncio.sleep(self._waits.next())
