import asyncio
import threading
import unittest
from typing import Any
from unittest import mock

from taskflow_worker import Context, DoNotRetry, StopReason, Worker, executor
from taskflow_worker.attempt import Attempt
from taskflow_worker.executor import Executor
from taskflow_worker.outcome import RELEASED, Completed, Failed, Outcome
from taskflow_worker.payload_check import jsonschema
from taskflow_worker.side_reporter import SideReporter
from taskflow_worker.slots import Slots

from .support import FakeShard, Outcomes, claim


class Running(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        self.worker = Worker()
        patch = mock.patch.object(executor, "TIMEOUT_GRACE_SECONDS", 0.05)
        patch.start()
        self.addCleanup(patch.stop)

    async def asyncSetUp(self) -> None:
        self.outcomes = Outcomes()
        self.shard = FakeShard()
        self.freed = asyncio.Event()
        self.slots = Slots(2, on_freed=self.freed.set)
        self.executor = Executor(
            self.worker.tasks, slots=self.slots, side=SideReporter([self.shard]), max_result_bytes=1_000
        )
        self.addCleanup(self.executor.close)

    def start(self, payload: Any = None, *, id: str = "a", timeout_ms: int | None = None, type: str = "test") -> Attempt:
        attempt = Attempt(claim(type, payload, id=id, timeout_ms=timeout_ms), self.shard, self.outcomes.note)
        self.slots.take(attempt)
        self.executor.start(attempt)
        return attempt

    async def outcome(self, payload: Any = None, **options: Any) -> Outcome:
        return await self.outcomes.of(self.start(payload, **options))

    def assert_failed(self, outcome: Outcome, *, code: str | None, may_retry: bool) -> Failed:
        assert isinstance(outcome, Failed), outcome
        self.assertEqual((outcome.failure.get("code"), outcome.may_retry), (code, may_retry))
        return outcome

    async def test_both_kinds_of_handlers_get_payload_and_context(self) -> None:
        def look(payload: Any, ctx: Context) -> Any:
            return [payload, ctx.task_id, ctx.attempt, ctx.max_attempts, ctx.owner_id, ctx.queue, ctx.parents]

        async def look_async(payload: Any, ctx: Context) -> Any:
            return look(payload, ctx)

        self.worker.task("plain")(look)
        self.worker.task("async")(look_async)
        for type in ("plain", "async"):
            self.assertEqual(
                await self.outcome({"n": 1}, id=type, type=type),
                Completed(f'[{{"n":1}},"{type}",1,3,"owner","default",{{}}]'.encode()),
            )

    async def test_async_handlers_run_on_the_loop_and_plain_ones_beside_it(self) -> None:
        self.worker.task("plain")(lambda payload, ctx: threading.get_ident())

        @self.worker.task("async")
        async def handler(payload: Any, ctx: Context) -> int:
            return threading.get_ident()

        here = str(threading.get_ident()).encode()
        self.assertEqual(await self.outcome(id="a", type="async"), Completed(here))
        self.assertNotEqual(await self.outcome(id="b", type="plain"), Completed(here))

    async def test_unknown_types_and_broken_payloads_fail_for_good(self) -> None:
        self.worker.task("test")(lambda payload, ctx: None)
        self.assert_failed(await self.outcome(id="a", type="other"), code="UNKNOWN_TYPE", may_retry=False)
        broken = Attempt(claim()._replace(id="b", payload="{"), self.shard, self.outcomes.note)
        self.executor.start(broken)
        self.assert_failed(self.outcomes["b"], code="INVALID_PAYLOAD", may_retry=False)

    @unittest.skipUnless(jsonschema, "needs jsonschema")
    async def test_a_payload_that_does_not_fit_fails_for_good(self) -> None:
        schema = {"type": "object", "properties": {"rows": {"items": {"type": "integer"}}}}
        self.worker.task("test", payload_schema=schema)(lambda payload, ctx: payload)
        self.assertEqual(await self.outcome({"rows": [1]}, id="a"), Completed(b'{"rows":[1]}'))
        failed = self.assert_failed(await self.outcome({"rows": [1, "x"]}, id="b"), code="INVALID_PAYLOAD", may_retry=False)
        self.assertRegex(failed.failure["message"], r"rows\.1: 'x' is not of type 'integer'")

    async def test_what_handlers_raise_fails_the_attempt_only(self) -> None:
        async def raising(payload: Any, ctx: Context) -> None:
            raise errors[payload]

        errors = [ValueError("v"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), DoNotRetry("d")]
        self.worker.task("async")(raising)

        @self.worker.task("plain")
        def plain(payload: Any, ctx: Context) -> None:
            raise errors[payload]

        for type in ("async", "plain"):
            for n, error in enumerate(errors):
                outcome = await self.outcome(n, id=f"{type}{n}", type=type)
                assert isinstance(outcome, Failed), outcome
                self.assertEqual(outcome.may_retry, not isinstance(error, DoNotRetry))

    async def test_an_async_handler_is_cancelled_at_its_deadline(self) -> None:
        cancelled = asyncio.Event()

        @self.worker.task("test")
        async def handler(payload: Any, ctx: Context) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                cancelled.set()

        outcome = self.assert_failed(await self.outcome(timeout_ms=20), code="TIMEOUT", may_retry=True)
        self.assertEqual(outcome.failure["message"], "the attempt did not end within 20 ms")
        self.assertTrue(cancelled.is_set())

    async def test_a_result_within_the_grace_period_counts(self) -> None:
        @self.worker.task("test")
        def handler(payload: Any, ctx: Context) -> str:
            ctx.cancelled.wait(10)
            return str(ctx.stop_reason)

        self.assertEqual(await self.outcome(timeout_ms=20), Completed(b'"StopReason.TIMEOUT"'))

    async def test_deaf_handlers_are_given_up(self) -> None:
        release = asyncio.Event()

        @self.worker.task("test")
        async def deaf(payload: Any, ctx: Context) -> str:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    pass
            return "too late"

        self.assert_failed(await self.outcome(timeout_ms=20), code="TIMEOUT", may_retry=True)
        self.assertEqual(self.executor.strays, 1)
        release.set()
        while self.executor.strays:
            await asyncio.sleep(0)
        self.assertEqual(len(self.outcomes), 1)

    async def test_a_handler_that_was_stopped_before_it_began_does_not_run(self) -> None:
        ran = []

        @self.worker.task("test")
        async def handler(payload: Any, ctx: Context) -> None:
            ran.append(payload)

        before_it_is_started = Attempt(claim(id="a"), self.shard, self.outcomes.note)
        before_it_is_started.stop(StopReason.SHUTDOWN)
        self.executor.start(before_it_is_started)
        before_its_first_step = self.start(id="b")
        before_its_first_step.stop(StopReason.SHUTDOWN)
        for attempt in (before_it_is_started, before_its_first_step):
            self.assertIs(await self.outcomes.of(attempt), RELEASED)
        self.assertEqual(ran, [])

    async def test_what_is_raised_after_a_stop_is_the_stopping(self) -> None:
        @self.worker.task("test")
        def handler(payload: Any, ctx: Context) -> None:
            ctx.cancelled.wait(10)
            ctx.raise_if_cancelled()

        attempts = {reason: self.start(id=reason.value) for reason in (StopReason.SHUTDOWN, StopReason.CANCELLED)}
        for reason, attempt in attempts.items():
            attempt.stop(reason)
        self.assertIs(await self.outcomes.of(attempts[StopReason.SHUTDOWN]), RELEASED)
        self.assert_failed(await self.outcomes.of(attempts[StopReason.CANCELLED]), code="CANCELLED", may_retry=True)

    async def test_threads_that_were_given_up_hold_no_slot_but_for_so_many(self) -> None:
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.worker.task("test")(lambda payload, ctx: go_on.wait(60))
        stuck = [self.start(id=str(n), timeout_ms=1) for n in range(2)]
        for attempt in stuck:
            self.assert_failed(await self.outcomes.of(attempt), code="TIMEOUT", may_retry=True)
            self.slots.release(attempt)
        self.assertEqual((self.slots.free, self.slots.strays), (2, 2))
        # As many as there are slots are stuck already: the next one keeps its slot.
        third = self.start(id="third", timeout_ms=1)
        await self.outcomes.of(third)
        self.slots.release(third)
        self.assertEqual((self.slots.free, self.slots.strays), (1, 3))
        self.assertFalse(self.freed.is_set())
        go_on.set()
        await asyncio.wait_for(self.freed.wait(), 10)
        while self.slots.strays:
            await asyncio.sleep(0)
        self.assertEqual(self.slots.free, 2)
        self.assertEqual(len(self.outcomes), 3)
