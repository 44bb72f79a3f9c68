"""Hears which tasks are to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from .errors import StopReason
from .lanes import Lane
from .redis_client import close_client
from .slots import Slots
from .waits import Waits

_logger = logging.getLogger(__name__)


class ControlListener:
    """Hears at once, on a connection of its own, which of this worker's tasks are to stop.

    ``on_gap`` is told when messages may have been missed: the broker is to be asked instead.
    """

    def __init__(self, lane: Lane, *, worker_id: str, slots: Slots, on_gap: Callable[[], None]) -> None:
        self._lane = lane
        self._worker_id = worker_id
        self._slots = slots
        self._on_gap = on_gap
        self._shards = {shard.control_channel: shard for shard in lane.shards}
        self._waits = Waits()
        self._was_subscribed = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            # Messages of all shards reach every server of a cluster.
            client = self._lane.shards[0].open(read_timeout=None)
            subscriber = client.pubsub()
            try:
                await subscriber.subscribe(*self._shards)
                async for message in subscriber.listen():
                    self._on_message(message)
            except Exception as error:
                _logger.debug("the control channel was cut: %s", error, extra={"lane": self._lane.name})
            finally:
                await close_client(client)
            await asyncio.sleep(self._waits.next())

    def _on_message(self, message: dict[str, Any]) -> None:
        if message["type"] == "message":
            self._hear(message["channel"], message["data"])
        elif message["type"] == "subscribe" and message["data"] == len(self._shards):
            # The last of the channels: from here on nothing is missed.
            self._waits.reset()
            if self._was_subscribed:
                self._on_gap()
            self._was_subscribed = True

    def _hear(self, channel: str, message: str) -> None:
        worker_id, task_id, token, _reason = message.split("\t", 3)
        if worker_id != self._worker_id:
            return
        attempt = self._slots.of(self._shards[channel]).get(task_id)
        if attempt is None or attempt.claim.token != token:
            return
        _logger.info("the task was cancelled: its handler is told to stop", extra={"taskId": task_id})
        attempt.stop(StopReason.CANCELLED)
