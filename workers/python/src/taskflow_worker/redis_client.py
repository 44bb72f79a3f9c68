"""Clients of Redis that ask for their server before each connection."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import redis.asyncio
from redis.asyncio.connection import Connection, ConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import MovedError, ReadOnlyError, ResponseError

from .redis_settings import Address

_CLOSE_SECONDS = 1.0
_KNOWN_OPTIONS = {name for kind in Connection.__mro__ for name in inspect.signature(kind.__init__).parameters}
"""Versions of redis-py differ in what they can be told."""


class Followed(Protocol):
    """A connection, as a route sees it."""

    host: str
    port: int

    @property
    def is_open(self) -> bool: ...

    def leave(self) -> None:
        """Breaks it: it should be to another server by now."""


class Route(Protocol):
    """How a connection gets to its server."""

    @property
    def is_to_primary(self) -> bool:
        """Whether it leads to a primary, which may move."""

    async def find(self) -> Address:
        """Asked before each connection. Raises what explains why it is not known now."""

    def follow(self, connection: Followed) -> None:
        """Told of each connection once, before it is opened; may make it leave."""


@dataclass(frozen=True)
class StraightTo:
    """The route to one server, wherever."""

    address: Address
    is_to_primary = False

    async def find(self) -> Address:
        return self.address

    def follow(self, connection: Followed) -> None:
        pass


@dataclass(frozen=True)
class Login:
    """As whom to log in, and how to connect."""

    username: str | None
    password: str | None
    tls: ssl.SSLContext | None
    timeout: float
    """How long connecting may take, in seconds."""


def open_client(route: Route, login: Login, *, read_timeout: float | None, is_single: bool = False) -> Any:
    """A client of redis-py; the caller closes it. ``read_timeout`` (seconds): None waits for ever. ``is_single``: it has one
    connection, for one command at a time.

    Nothing is sent twice by itself: a claim that was repeated would leave tasks behind.
    """
    options = dict[str, Any](
        password=login.password,
        # Without a password nobody logs in.
        username=None if login.password is None else login.username,
        socket_timeout=read_timeout,
        socket_connect_timeout=login.timeout,
        socket_keepalive=True,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
        # Newer versions would else begin each connection with commands that a worker's user may not use.
        protocol=2,
    )
    given = {name: value for name, value in options.items() if name in _KNOWN_OPTIONS}
    if login.tls is None:
        pool = ConnectionPool(connection_class=_RoutedConnection, route=route, **given)
    else:
        pool = ConnectionPool(connection_class=_RoutedTlsConnection, route=route, tls=login.tls, **given)
    return redis.asyncio.Redis(connection_pool=pool, single_connection_client=is_single)


async def close_client(client: Any) -> None:
    """Closes a client with all its connections, whatever state they are in."""
    close: Callable[[], Awaitable[None]] = getattr(client, "aclose", None) or client.close
    for step in (close, client.connection_pool.disconnect):
        try:
            await asyncio.wait_for(step(), _CLOSE_SECONDS)
        except Exception:  # It is given up in any case.
            pass


class _RoutedConnection(Connection):  # type: ignore[misc]
    """As redis-py's connections for Sentinels are, but for any route, and it can be left while a command waits in it."""

    def __init__(self, *, route: Route, **options: Any) -> None:
        super().__init__(**options)
        self._route = route
        route.follow(self)

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    def leave(self) -> None:
        # Whoever reads from it, or writes to it next, meets the end of the connection.
        if self._writer is not None:
            self._writer.transport.abort()

    async def _connect(self) -> None:
        self.host, self.port = await self._route.find()
        await super()._connect()

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except ResponseError as error:
            if self._route.is_to_primary and _says_wrong_server(error):
                await self.disconnect()
            raise


class _RoutedTlsConnection(_RoutedConnection, SSLConnection):  # type: ignore[misc]
    def __init__(self, *, tls: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        # redis-py's own would trust the system's authorities besides those that are given.
        self.ssl_context = _TlsContext(tls)


@dataclass(frozen=True)
class _TlsContext:
    """As redis-py asks for it."""

    context: ssl.SSLContext

    def get(self) -> ssl.SSLContext:
        return self.context


def _says_wrong_server(error: ResponseError) -> bool:
    """Whether the server is not, or no longer, the one to talk to."""
    return isinstance(error, (MovedError, ReadOnlyError)) or str(error).startswith("UNBLOCKED")
