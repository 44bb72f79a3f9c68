"""Answers ``/healthz``, ``/readyz`` and ``/metrics`` on a port that is not for the public."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping

_logger = logging.getLogger(__name__)

_READ_SECONDS = 5.0
_MAX_HEADERS = 100

Parts = Mapping[str, str]
"""What a process needs, each with ``ok`` or what is wrong."""


class ProbeServer:
    """``check`` says which parts answer; ``metrics`` gives type and text of ``/metrics``, None where nothing is counted."""

    def __init__(
        self, check: Callable[[], Awaitable[Parts]], metrics: Callable[[], tuple[str, bytes]] | None
    ) -> None:
        self._check = check
        self._metrics = metrics
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Raises OSError when the port cannot be had."""
        self._server = await asyncio.start_server(self._serve, host, port)
        bound = self._server.sockets[0].getsockname()[1]
        _logger.info("metrics are served", extra={"url": f"http://{host}:{bound}/metrics"})

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            method, path = await asyncio.wait_for(_read_request(reader), _READ_SECONDS)
            status, content_type, body = await self._answer(path)
            head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode() + (b"" if method == "HEAD" else body))
            await writer.drain()
        except (OSError, TimeoutError, ValueError) as error:
            _logger.debug("a probe could not be answered: %s", type(error).__name__)
        finally:
            writer.close()

    async def _answer(self, path: str | None) -> tuple[str, str, bytes]:
        if path == "/healthz":
            return _json("200 OK", {"isAlive": True})
        if path == "/readyz":
            parts = await self._check()
            is_ready = all(part == "ok" for part in parts.values())
            return _json("200 OK" if is_ready else "503 Service Unavailable", {"isReady": is_ready, "parts": parts})
        if path == "/metrics" and self._metrics is not None:
            type, text = self._metrics()
            return "200 OK", type, text
        hint = "" if self._metrics else "; for /metrics, the package prometheus_client is missing"
        return _json("404 Not Found", {"error": f"Here are /healthz and /readyz{hint}."})


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str | None]:
    """The method, and the path of a GET or HEAD; None for anything else. Raises ValueError for lines that are too long."""
    parts = (await reader.readline()).decode("latin-1").split(" ")
    for _ in range(_MAX_HEADERS):
        if (await reader.readline()).strip() == b"":
            break
    is_known = len(parts) == 3 and parts[0] in ("GET", "HEAD")
    return parts[0], parts[1].partition("?")[0] if is_known else None


def _json(status: str, body: object) -> tuple[str, str, bytes]:
    return status, "application/json", json.dumps(body).encode()
