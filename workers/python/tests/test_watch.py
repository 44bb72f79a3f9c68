"""Health and metrics of a worker."""

import asyncio
import unittest
from collections.abc import Mapping
from dataclasses import replace

from taskflow_worker import Settings, SettingsError
from taskflow_worker.probes import ProbeServer
from taskflow_worker.watch import Watch


async def _ask(server: ProbeServer, request: bytes) -> tuple[str, str]:
    """Status and body of the answer."""
    assert server._server is not None
    reader, writer = await asyncio.open_connection(*server._server.sockets[0].getsockname()[:2])
    writer.write(request)
    answer = (await reader.read()).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return head.splitlines()[0], body


class Probes(unittest.IsolatedAsyncioTestCase):
    async def test_says_that_it_lives_and_whether_it_is_ready(self) -> None:
        parts: dict[str, str] = {"redisHigh": "ok", "redisLow": "ok"}

        async def check() -> Mapping[str, str]:
            return parts

        server = ProbeServer(check, lambda: ("text/plain", b"some 1\n"))
        await server.start("127.0.0.1", 0)
        self.addCleanup(server.close)
        self.assertEqual(await _ask(server, b"GET /healthz HTTP/1.1\r\n\r\n"), ("HTTP/1.1 200 OK", '{"isAlive": true}'))
        self.assertEqual((await _ask(server, b"GET /readyz?x HTTP/1.1\r\na: b\r\n\r\n"))[0], "HTTP/1.1 200 OK")
        parts["redisLow"] = "cannot be reached"
        status, body = await _ask(server, b"GET /readyz HTTP/1.1\r\n\r\n")
        self.assertEqual(status, "HTTP/1.1 503 Service Unavailable")
        self.assertIn('"redisLow": "cannot be reached"', body)
        self.assertEqual((await _ask(server, b"GET /metrics HTTP/1.1\r\n\r\n"))[1], "some 1\n")
        self.assertEqual(await _ask(server, b"HEAD /healthz HTTP/1.1\r\n\r\n"), ("HTTP/1.1 200 OK", ""))
        for request in (b"POST /healthz HTTP/1.1\r\n\r\n", b"GET /other HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n"):
            self.assertEqual((await _ask(server, request))[0], "HTTP/1.1 404 Not Found")

    async def test_a_port_that_is_taken_is_a_wrong_setting(self) -> None:
        async def check() -> Mapping[str, str]:
            return {}

        server = ProbeServer(check, None)
        await server.start("127.0.0.1", 0)
        self.addCleanup(server.close)
        assert server._server is not None
        port = server._server.sockets[0].getsockname()[1]
        with self.assertRaisesRegex(SettingsError, f"METRICS_PORT: {port} cannot be listened on"):
            await Watch(replace(Settings(), metrics_port=port)).start()

    async def test_opens_no_port_without_the_setting(self) -> None:
        watch = Watch(Settings())
        await watch.start()
        self.assertIsNone(watch._probes)
        watch.close()


if __name__ == "__main__":
    unittest.main()
