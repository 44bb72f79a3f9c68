import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from taskflow_worker import Address, Backoff, RedisServer, RedisTls, Settings, SettingsError, Worker, load_settings
from taskflow_worker.payload_check import jsonschema


class Environment(unittest.TestCase):
    def test_nothing_set_means_the_defaults(self) -> None:
        self.assertEqual(load_settings({}), Settings())

    def test_an_empty_variable_is_not_set(self) -> None:
        self.assertEqual(load_settings({"REDIS_PORT_LOW": "", "REDIS_PASSWORD_LOW": ""}), Settings())

    def test_each_variable_has_its_place(self) -> None:
        settings = load_settings(
            {
                "REDIS_HOST_HIGH": "high.example",
                "REDIS_PORT_HIGH": "6390",
                "REDIS_USERNAME_HIGH": "worker",
                "REDIS_PASSWORD_HIGH": "secret",
                "REDIS_TLS_HIGH": "true",
                "REDIS_PASSWORD_LOW": "other",
                "REDIS_KEY_PREFIX": "mine",
                "REDIS_TIMEOUT_MS": "500",
                "SHARDS_PER_LANE": "4",
                "WORKER_QUEUES": "mail,reports:12",
                "WORKER_CONCURRENCY": "7",
                "MAX_RESULT_BYTES": "100",
                "LEASE_MS": "1000",
                "HEARTBEAT_INTERVAL_SECONDS": "0.5",
                "SHUTDOWN_GRACE_MS": "0",
                "LOG_LEVEL": "debug",
            }
        )
        expected = Settings(
            high=RedisServer(
                (Address("high.example", 6390),), username="worker", password="secret", tls=RedisTls()
            ),
            low=RedisServer(password="other"),
            prefix="mine",
            redis_timeout_ms=500,
            shards_per_lane=4,
            queues=("mail", "reports"),
            queue_limits={"reports": 12},
            concurrency=7,
            max_result_bytes=100,
            lease_ms=1_000,
            heartbeat_interval_ms=500,
            shutdown_grace_ms=0,
            log_level="debug",
        )
        self.assertEqual(settings, expected)

    def test_every_fault_is_named(self) -> None:
        faulty = {
            "REDIS_PORT_HIGH": "x",
            "SHARDS_PER_LANE": "65",
            "WORKER_QUEUES": "a,b:0",
            "WORKER_CONCURRENCY": "1.5",
            "REDIS_TLS_LOW": "perhaps",
            "LOG_LEVEL": "loud",
        }
        with self.assertRaises(SettingsError) as caught:
            load_settings(faulty)
        self.assertEqual({line.split(":")[0] for line in str(caught.exception).splitlines()}, set(faulty))

    def test_a_file_gives_what_the_environment_does_not(self) -> None:
        text = '# a comment\nLEASE_MS=2000 # ms\nREDIS_KEY_PREFIX="mine"\nexport SHARDS_PER_LANE=2\nLOG_LEVEL=warn\n'
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, ".env").write_text(text, encoding="utf-8")
            before = Path.cwd()
            os.chdir(folder)
            self.addCleanup(os.chdir, before)
            with mock.patch.dict(os.environ, {"LOG_LEVEL": "error"}, clear=True):
                settings = load_settings()
            os.chdir(before)
        expected = Settings(lease_ms=2_000, prefix="mine", shards_per_lane=2, log_level="error")
        self.assertEqual(settings, expected)


class Declarations(unittest.TestCase):
    def test_queues_and_concurrency_of_the_worker_count(self) -> None:
        worker = Worker(Settings(lease_ms=900), queues=["mail", "images:5"], concurrency=3)
        expected = Settings(lease_ms=900, queues=("mail", "images"), queue_limits={"images": 5}, concurrency=3)
        self.assertEqual(worker.load_settings(), expected)

    def test_a_type_is_announced_with_schema_and_defaults(self) -> None:
        worker = Worker()
        backoff = Backoff("FIXED", 500, max_delay_ms=600, jitter=0)
        options = {"payload_schema": {"type": "object"}, "timeout_ms": 100, "max_attempts": 5, "backoff": backoff}

        @worker.task("a.b", **options)  # type: ignore[arg-type]
        async def handler(payload: object, ctx: object) -> None: ...

        definition = worker.tasks["a.b"]
        self.assertTrue(definition.is_async)
        self.assertEqual(definition.payload_schema, '{"type": "object"}')
        self.assertEqual(definition.defaults, '{"timeoutMs": 100, "maxAttempts": 5, "backoff": "F:500:600:0.000"}')

    def test_a_type_without_options_takes_anything(self) -> None:
        worker = Worker()
        worker.task("plain")(lambda payload, ctx: None)
        definition = worker.tasks["plain"]
        announced = (definition.is_async, definition.payload_schema, definition.defaults)
        self.assertEqual(announced, (False, "null", "{}"))

    def test_an_object_with_an_async_call_is_async(self) -> None:
        class Handler:
            async def __call__(self, payload: object, ctx: object) -> None: ...

        worker = Worker()
        worker.task("object")(Handler())
        self.assertTrue(worker.tasks["object"].is_async)

    def test_bad_declarations_are_refused(self) -> None:
        worker = Worker()
        worker.task("once")(print)
        for declare in (
            lambda: worker.task("once")(print),
            lambda: worker.task("no spaces")(print),
            lambda: worker.task("a", timeout_ms=0)(print),
            lambda: worker.task("a", max_attempts=101)(print),
            lambda: Backoff("FIXED", -1),
            lambda: Backoff("FIXED", 1, jitter=2),
            lambda: Backoff("FIXED", 9, max_delay_ms=8),
        ):
            with self.assertRaises(ValueError):
                declare()

    @unittest.skipUnless(jsonschema, "needs jsonschema")
    def test_what_is_no_schema_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "objekt"):
            Worker().task("a", payload_schema={"type": "objekt"})(print)

    def test_the_default_backoff_ends_at_an_hour(self) -> None:
        self.assertEqual(Backoff("EXPONENTIAL", 1_000).encode(), "E:1000:3600000:0.500")
