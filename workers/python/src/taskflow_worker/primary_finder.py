"""Asks Sentinels, or nodes of a cluster, which servers are the primaries of a lane's shards."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.crc import key_slot
from redis.exceptions import ConnectionError

from .redis_client import Followed, Login, StraightTo, close_client, open_client
from .redis_settings import Address, RedisServer

_WATCH_SECONDS = 1.0
"""How often it is looked whether a primary has moved from a server that is frozen, or cut off, and so does not say so itself."""

Primaries = Mapping[str, Address]
"""By the hash tags of shards."""


@dataclass(frozen=True)
class _ToPrimary:
    """The route to the primary of a shard."""

    finder: PrimaryFinder
    tag: str
    is_to_primary = True

    async def find(self) -> Address:
        return (await self.finder.look())[self.tag]

    def follow(self, connection: Followed) -> None:
        self.finder.followers[connection] = self.tag


class PrimaryFinder:
    """Made inside a running event loop. ``tags`` are those of the shards whose primaries are wanted."""

    def __init__(self, server: RedisServer, tags: Sequence[str], login: Login) -> None:
        is_sentinel = server.kind == "sentinel"
        self._tags = tags
        self._login = replace(login, username=None, password=server.sentinel_password) if is_sentinel else login
        self._ask: Callable[[Any, Address], Awaitable[Primaries]] = (
            self._ask_sentinel if is_sentinel else self._ask_node
        )
        self._sentinel_name = server.sentinel_name
        self.followers = weakref.WeakKeyDictionary[Followed, str]()
        """Connections, with the tags of their shards."""
        self._doubtful = weakref.WeakKeyDictionary[Followed, Address]()
        """Those whose primary was elsewhere at the last look, and where."""
        self._candidates = list(server.addresses)
        """The one that answered last comes first."""
        self._scout: Any = None
        self._looking: asyncio.Task[Primaries] | None = None
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    def route_to(self, tag: str) -> _ToPrimary:
        return _ToPrimary(self, tag)

    async def look(self) -> Primaries:
        """Where the primaries are. Whoever asks at the same time as others shares one look. Raises redis's ConnectionError."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._ask_around())
            self._looking.add_done_callback(self._end_look)
        # One that gives up does not end it for the others.
        return await asyncio.shield(self._looking)

    async def close(self) -> None:
        for task in (self._watching, self._looking):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        if self._scout is not None:
            await close_client(self._scout)

    def _end_look(self, look: asyncio.Task[Primaries]) -> None:
        self._looking = None
        if not look.cancelled():
            # Nobody may be left to hear of it.
            look.exception()

    async def _ask_around(self) -> Primaries:
        failure: Exception | None = None
        for candidate in list(self._candidates):
            if self._scout is None:
                self._scout = open_client(
                    StraightTo(candidate), self._login, read_timeout=self._login.timeout, is_single=True
                )
            try:
                return await self._ask(self._scout, candidate)
            except Exception as error:
                failure = error
                scout, self._scout = self._scout, None
                await close_client(scout)
                # It is the last one to be asked next time.
                self._candidates.remove(candidate)
                self._candidates.append(candidate)
        raise ConnectionError(f"no primary is known: {failure}") from failure

    async def _ask_sentinel(self, scout: Any, _: Address) -> Primaries:
        found = await scout.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._sentinel_name)
        if found is None:
            raise ConnectionError(f"the Sentinel knows no primary of the name {self._sentinel_name}")
        host, port = found
        return dict.fromkeys(self._tags, Address(host, int(port)))

    async def _ask_node(self, scout: Any, candidate: Address) -> Primaries:
        # One that is cut off from the majority remembers how things were.
        if "cluster_state:ok" not in await scout.execute_command("CLUSTER", "INFO"):
            raise ConnectionError("the cluster is down")
        # From where to where, then the primary and its replicas: host, port, id, more.
        ranges = [
            (first, last, [Address(node[0] or candidate.host, int(node[1])) for node in nodes])
            for first, last, *nodes in await scout.execute_command("CLUSTER", "SLOTS")
        ]
        # Nodes that were named at the start may go; others tell of those that came.
        for address in (address for _, _, nodes in ranges for address in nodes):
            if address not in self._candidates:
                self._candidates.append(address)
        return {tag: _primary_of(tag, ranges) for tag in self._tags}

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if any(connection.is_open for connection in self.followers):
                try:
                    self._hear(await self.look())
                except ConnectionError:
                    pass

    def _hear(self, primaries: Primaries) -> None:
        """Connections are left when the same is heard twice: right after a failover, some do not know of it yet."""
        for connection, tag in list(self.followers.items()):
            primary = primaries[tag]
            if not connection.is_open or primary == (connection.host, connection.port):
                self._doubtful.pop(connection, None)
            elif self._doubtful.get(connection) == primary:
                del self._doubtful[connection]
                connection.leave()
            else:
                self._doubtful[connection] = primary


def _primary_of(tag: str, ranges: Sequence[tuple[int, int, Sequence[Address]]]) -> Address:
    slot = key_slot(tag.encode())
    for first, last, nodes in ranges:
        if first <= slot <= last and nodes:
            return nodes[0]
    raise ConnectionError(f"no node of the cluster serves {tag}")
