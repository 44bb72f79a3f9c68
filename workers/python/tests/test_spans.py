"""Spans of attempts, by a provider that keeps them. Left out where opentelemetry-api is not installed."""

import asyncio
import importlib
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from taskflow_worker import Context, Worker, spans
from taskflow_worker.attempt import Attempt
from taskflow_worker.executor import Executor
from taskflow_worker.side_reporter import SideReporter
from taskflow_worker.slots import Slots

from .support import FakeShard, Outcomes, claim

_TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
_PARENT = f"00-{_TRACE_ID}-b7ad6b7169203331-01"

try:
    api: Any = importlib.import_module("opentelemetry.trace")
except ImportError:
    api = None


def _provider(made: list[Any]) -> Any:
    class KeptSpan(api.NonRecordingSpan):  # type: ignore[misc, name-defined]
        def __init__(self, name: str, parent: Any, kind: Any, attributes: dict[str, Any]) -> None:
            span_id = 0x1000 + len(made)
            super().__init__(api.SpanContext(parent.trace_id, span_id, False, parent.trace_flags))
            self.name, self.parent, self.kind, self.attributes = name, parent, kind, dict(attributes)
            self.is_ended = self.is_error = False
            made.append(self)

        def set_attribute(self, key: str, value: Any) -> None:
            self.attributes[key] = value

        def set_status(self, status: Any, description: str | None = None) -> None:
            self.is_error = status is api.StatusCode.ERROR

        def end(self, end_time: int | None = None) -> None:
            self.is_ended = True

    class Tracer(api.Tracer):  # type: ignore[misc, name-defined]
        def start_span(self, name: str, context: Any = None, kind: Any = None, attributes: Any = None, **_: Any) -> Any:
            parent = api.get_current_span(context).get_span_context()
            return KeptSpan(name, parent, kind, attributes or {})

        @contextmanager
        def start_as_current_span(self, name: str, context: Any = None, **more: Any) -> Iterator[Any]:
            with api.use_span(self.start_span(name, context, **more), end_on_exit=True) as span:
                yield span

    class Provider(api.TracerProvider):  # type: ignore[misc, name-defined]
        def get_tracer(self, *_: Any, **__: Any) -> Any:
            return Tracer()

    return Provider()


@unittest.skipIf(api is None, "opentelemetry-api is not installed")
class Spans(unittest.IsolatedAsyncioTestCase):
    made: list[Any] = []

    @classmethod
    def setUpClass(cls) -> None:
        # There can be one in a process.
        api.set_tracer_provider(_provider(cls.made))

    def setUp(self) -> None:
        self.made.clear()
        self.worker = Worker()

    async def run_one(self, traceparent: str | None = _PARENT) -> Attempt:
        outcomes = Outcomes()
        slots = Slots(1, on_freed=lambda: None)
        shard = FakeShard()
        executor = Executor(self.worker.tasks, slots=slots, side=SideReporter([shard]), max_result_bytes=1_000)
        attempt = Attempt(claim()._replace(traceparent=traceparent), shard, outcomes.note)
        attempt.span = spans.start_span(attempt.claim, "w1")
        slots.take(attempt)
        executor.start(attempt)
        await outcomes.of(attempt)
        executor.close()
        return attempt

    async def test_both_kinds_of_handlers_run_within_the_span_of_their_attempt(self) -> None:
        seen: list[Any] = []

        def look(payload: Any, ctx: Context) -> None:
            with api.get_tracer("test").start_as_current_span("inner"):
                seen.append(ctx.traceparent)

        async def look_async(payload: Any, ctx: Context) -> None:
            await asyncio.sleep(0)
            look(payload, ctx)

        for handler in (look, look_async):
            self.worker = Worker()
            self.worker.task("test")(handler)
            self.made.clear()
            attempt = await self.run_one()
            run, inner = self.made
            self.assertEqual((run.name, run.kind), ("run default", api.SpanKind.CONSUMER))
            self.assertEqual(f"{run.parent.trace_id:032x}-{run.parent.span_id:016x}", _PARENT[3:-3])
            self.assertEqual(inner.parent, run.get_span_context())
            self.assertEqual(seen[-1], f"00-{_TRACE_ID}-{run.get_span_context().span_id:016x}-01")
            assert attempt.span is not None
            attempt.span.end("failed", "EBAD")
            self.assertTrue(run.is_ended and run.is_error)
            self.assertEqual(
                run.attributes,
                {
                    "messaging.system": "taskflow",
                    "messaging.operation.name": "run",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": "default",
                    "messaging.message.id": "a",
                    "messaging.client.id": "w1",
                    "taskflow.task.type": "test",
                    "taskflow.task.attempt": 1,
                    "taskflow.task.outcome": "failed",
                    "error.type": "EBAD",
                },
            )
            self.assertFalse(api.get_current_span().get_span_context().is_valid)

    async def test_a_task_that_is_not_traced_has_none(self) -> None:
        self.worker.task("test")(lambda payload, ctx: ctx.traceparent)
        attempt = await self.run_one(None)
        self.assertIsNone(attempt.span)
        self.assertEqual(self.made, [])


class WithoutTheApi(unittest.TestCase):
    def test_a_traced_task_keeps_the_trace_of_its_submission(self) -> None:
        kept, spans._trace = spans._trace, None
        try:
            one = claim()._replace(traceparent=_PARENT)
            self.assertIsNone(spans.start_span(one, "w1"))
            self.assertEqual(Attempt(one, FakeShard(), lambda attempt, outcome: None).traceparent, _PARENT)
        finally:
            spans._trace = kept


if __name__ == "__main__":
    unittest.main()
