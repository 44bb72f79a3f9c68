"""The two lanes of Redis, their shards, and the names of what is in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from redis.exceptions import ResponseError

from .errors import BrokerNotReadyError
from .primary_finder import PrimaryFinder
from .redis_client import Login, Route, StraightTo, close_client, open_client
from .redis_settings import RedisServer
from .settings import Settings

LaneName = Literal["high", "low"]


@dataclass(frozen=True, eq=False)
class Shard:
    """One partition of a lane."""

    lane: Lane
    index: int
    tag: str
    """The hash tag with which all its keys begin."""
    redis: Any
    """For short commands, to the server that has its keys. All shards of a lane share one, but in a cluster each has its own."""
    route: Route
    """To that server."""
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
            return await self.redis.execute_command("FCALL", f"tf1_{function}", 1, self.tag, *args)
        except ResponseError as error:
            message = str(error)
            if message.startswith("NOTREADY") or "Function not found" in message:
                raise BrokerNotReadyError(message) from error
            raise

    def open(self, *, read_timeout: float | None, is_single: bool = False) -> Any:
        """A further client to its server; the caller closes it. See ``open_client``."""
        return open_client(self.route, self.lane.login, read_timeout=read_timeout, is_single=is_single)


class Lane:
    """One Redis with the connections of this process to it. Opens them when they are first used."""

    def __init__(self, name: LaneName, server: RedisServer, settings: Settings) -> None:
        self.name: LaneName = name
        timeout = settings.redis_timeout_ms / 1_000
        tls = None if server.tls is None else server.tls.open()
        self.login = Login(server.username, server.password, tls, timeout)
        tags = [f"{{{settings.prefix}:{name}:{index}}}" for index in range(settings.shards_per_lane)]
        self._finder = None if server.kind == "server" else PrimaryFinder(server, tags, self.login)
        self.shards: list[Shard] = []
        for index, tag in enumerate(tags):
            route: Route = StraightTo(server.addresses[0])
            if self._finder is not None:
                route = self._finder.route_to(tag)
            is_own = index == 0 or server.kind == "cluster"
            client = open_client(route, self.login, read_timeout=timeout) if is_own else self.shards[0].redis
            self.shards.append(Shard(self, index, tag, client, route))

    @property
    def clients(self) -> list[Any]:
        """Those of all shards for short commands, each once."""
        return list(dict.fromkeys(shard.redis for shard in self.shards))

    async def close(self) -> None:
        for client in self.clients:
            await close_client(client)
        if self._finder is not None:
            await self._finder.close()


def open_lanes(settings: Settings) -> tuple[Lane, Lane]:
    """The high lane and the low one. They may be the same server. Called in a running event loop."""
    return Lane("high", settings.high, settings), Lane("low", settings.low, settings)
