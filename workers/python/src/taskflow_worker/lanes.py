"""The two lanes of Redis, their shards, and the names of what is in them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from .errors import BrokerNotReadyError
from .settings import RedisServer, Settings

LaneName = Literal["high", "low"]

_CLOSE_SECONDS = 1.0


@dataclass(frozen=True, eq=False)
class Shard:
    """One partition of a lane."""

    lane: Lane
    index: int
    tag: str
    """The hash tag with which all its keys begin."""
    id: str = field(init=False)
    """``high:0``"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", f"{self.lane.name}:{self.index}")

    @property
    def control_channel(self) -> str:
        """On it, workers are told that a task of theirs is to stop."""
        return f"{self.tag}:control"

    def wake_key(self, queue: str, type: str) -> str:
        """A list on which a token says that there is something to claim. ``queue`` may be ``*``."""
        return f"{self.tag}:wake:{queue}|{type}"

    async def call(self, function: str, *args: str | bytes | int | float) -> Any:
        """Runs a function of the Lua library on this shard.

        Raises BrokerNotReadyError, or what redis raises: at once while Redis is away, so that callers decide whether to wait.
        """
        try:
            return await self.lane.redis.execute_command("FCALL", f"tf1_{function}", 1, self.tag, *args)
        except ResponseError as error:
            message = str(error)
            if message.startswith("NOTREADY") or "Function not found" in message:
                raise BrokerNotReadyError(message) from error
            raise


class Lane:
    """One Redis with the connections of this process to it. Opens them when they are first used."""

    def __init__(self, name: LaneName, server: RedisServer, settings: Settings) -> None:
        self.name: LaneName = name
        self._server = server
        self._timeout = settings.redis_timeout_ms / 1_000
        self.redis: Any = self.open(read_timeout=self._timeout)
        """For short commands."""
        self.shards = [
            Shard(self, index, f"{{{settings.prefix}:{name}:{index}}}") for index in range(settings.shards_per_lane)
        ]

    def open(self, *, read_timeout: float | None, is_single: bool = False) -> Any:
        """A further client; the caller closes it. ``read_timeout`` (seconds): None waits for ever.

        Nothing is sent twice by itself: a claim that was repeated would leave tasks behind.
        """
        options = dict[str, Any](
            host=self._server.host,
            port=self._server.port,
            username=self._server.username,
            password=self._server.password,
            socket_timeout=read_timeout,
            socket_connect_timeout=self._timeout,
            socket_keepalive=True,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
            single_connection_client=is_single,
            # Newer versions would else begin each connection with commands that a worker's user may not use.
            protocol=2,
        )
        if self._server.is_tls:
            options |= {"ssl": True, "ssl_ca_certs": self._server.ca_file, "ssl_check_hostname": True}
        known = inspect.signature(redis.asyncio.Redis.__init__).parameters
        return redis.asyncio.Redis(**{name: value for name, value in options.items() if name in known})

    async def close(self) -> None:
        await close_client(self.redis)


async def close_client(client: Any) -> None:
    """Closes a client with all its connections, whatever state they are in."""
    close: Callable[[], Awaitable[None]] = getattr(client, "aclose", None) or client.close
    for step in (close, client.connection_pool.disconnect):
        try:
            await asyncio.wait_for(step(), _CLOSE_SECONDS)
        except Exception:  # It is given up in any case.
            pass


def open_lanes(settings: Settings) -> tuple[Lane, Lane]:
    """The high lane and the low one. They may be the same server."""
    return Lane("high", settings.high, settings), Lane("low", settings.low, settings)
