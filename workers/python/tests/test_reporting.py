import asyncio
import json
import threading
import unittest
from collections.abc import Sequence
from typing import Any

from taskflow_worker.attempt import Attempt
from taskflow_worker.outbox import Entry, Outbox
from taskflow_worker.outcome import RELEASED, Completed, Failed
from taskflow_worker.reporter import Reporter
from taskflow_worker.side_reporter import SideReporter
from taskflow_worker.slots import QueueSlots, Slots

from .support import FakeShard, attempt


class Collecting(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.sent: list[list[str]] = []
        self.accepted: list[str] = []
        self.dropped: list[str] = []
        self.failures = 0
        self.idle = asyncio.Event()
        self.outbox = Outbox(
            send=self.send,
            on_accepted=lambda entries, lost: self.accepted.extend(entry.attempt.claim.id for entry in entries),
            on_dropped=lambda entries: self.dropped.extend(entry.attempt.claim.id for entry in entries),
            on_step=lambda error: None if error or self.outbox.is_busy else self.idle.set(),
        )

    async def send(self, entries: Sequence[Entry]) -> list[str]:
        self.sent.append([entry.attempt.claim.id for entry in entries])
        await asyncio.sleep(0)
        if self.failures > 0:
            self.failures -= 1
            raise ConnectionError("away")
        return []

    def add(self, id: str, size: int = 100) -> Attempt:
        one = attempt(id=id)
        self.outbox.add(Entry(one, (), size))
        return one

    async def drained(self) -> None:
        await asyncio.wait_for(self.idle.wait(), 10)

    async def test_what_comes_in_one_turn_shares_a_call(self) -> None:
        for id in "abc":
            self.add(id)
        self.assertTrue(self.outbox.is_busy)
        await self.drained()
        self.assertEqual(self.sent, [["a", "b", "c"]])
        self.assertFalse(self.outbox.is_busy)

    async def test_calls_are_limited_in_entries_and_bytes(self) -> None:
        for n in range(501):
            self.add(str(n))
        await self.drained()
        self.assertEqual([len(batch) for batch in self.sent], [500, 1])
        self.sent.clear()
        self.idle.clear()
        for id in "ab":
            self.add(id, 3 * 1024 * 1024)
        await self.drained()
        self.assertEqual(self.sent, [["a"], ["b"]])

    async def test_entries_are_kept_in_order_until_a_call_succeeds(self) -> None:
        self.failures = 2
        for id in "ab":
            self.add(id)
        await self.drained()
        self.assertEqual(self.sent, [["a", "b"]] * 3)
        self.assertEqual(self.accepted, ["a", "b"])

    async def test_what_was_lost_meanwhile_is_not_sent(self) -> None:
        lost = self.add("a")
        self.add("b")
        lost.lose()
        await self.drained()
        self.assertEqual((self.sent, self.dropped), ([["b"]], ["a"]))


class Reporting(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.lost: list[str] = []
        self.shard = FakeShard(self.reply)
        self.slots = Slots(10, on_freed=lambda: None)
        self.side = SideReporter([self.shard])
        self.reporter = Reporter(worker_id="w", slots=self.slots, side=self.side, on_step=lambda: None)

    async def reply(self, function: str, args: tuple[Any, ...]) -> list[str]:
        await asyncio.sleep(0)
        return [id for id in self.lost if id in args]

    def take(self, id: str) -> Attempt:
        one = attempt(id=id, shard=self.shard, on_settled=self.reporter.report)
        self.slots.take(one)
        return one

    async def drained(self) -> None:
        self.assertTrue(await self.slots.drained(10))

    async def test_each_kind_of_outcome_has_its_call(self) -> None:
        outcomes = {
            "done": Completed(b"1"),
            "failed": Failed({"message": "m"}),
            "later": Failed({"message": "m"}, delay_ms=5),
            "dead": Failed({"message": "m"}, may_retry=False),
            "back": RELEASED,
        }
        for id, outcome in outcomes.items():
            self.take(id).settle(outcome)
        await self.drained()
        error = b'{"message":"m"}'
        failures = ("failed", "1.1", error, "1", "", "later", "1.1", error, "1", "5", "dead", "1.1", error, "0", "")
        self.assertEqual(
            dict(self.shard.calls),
            {"complete": ("w", "done", "1.1", b"1"), "fail": ("w", *failures), "release": ("w", "back", "1.1")},
        )

    async def test_what_was_said_goes_before_the_end(self) -> None:
        one, other = self.take("one"), self.take("other")
        self.side.log(one, "info", "hello", {})
        self.side.progress(one, 120, {"step": 1})
        self.side.progress(other, 5, None)
        one.settle(Completed(b"1"))
        self.side.log(one, "info", "after the end", {})
        while not self.slots.of(self.shard).keys() <= {"other"}:
            await asyncio.sleep(0)
        self.assertEqual(
            self.shard.calls,
            [
                ("log", ("one", "1.1", 1, b'{"level":"info","message":"hello"}')),
                ("progress", ("one", "1.1", 100.0, b'{"detail":{"step":1}}')),
                ("complete", ("w", "one", "1.1", b"1")),
            ],
        )
        other.settle(RELEASED)
        await self.drained()

    async def test_progress_is_coalesced_and_lines_are_not(self) -> None:
        one = self.take("one")

        def work() -> None:
            for n in range(50):
                self.side.progress(one, n, None)
                self.side.log(one, "debug", f"line {n}", {"n": n})

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        await self.side.flush(self.shard)
        (log, lines), (progress, values) = self.shard.calls
        self.assertEqual((log, progress, values), ("log", "progress", ("one", "1.1", 49.0, b"")))
        self.assertEqual(lines[2::4], tuple(range(1, 51)))
        self.assertEqual(json.loads(lines[3]), {"level": "debug", "message": "line 0", "fields": {"n": 0}})
        self.assertTrue(one.claim.id in self.slots.of(self.shard))

    async def test_lines_beyond_the_limit_are_dropped_with_a_notice(self) -> None:
        one = self.take("one")
        for n in range(1_100):
            self.side.log(one, "info", str(n), {})
        await self.side.flush(self.shard)
        lines = [arg for _, args in self.shard.calls for arg in args[3::4]]
        self.assertEqual(len(lines), 1_001)
        notice = {"level": "warn", "message": "More than 1000 lines: the rest is not kept."}
        self.assertEqual(json.loads(lines[-1]), notice)

    async def test_a_lost_lease_is_learnt_from_any_reply(self) -> None:
        one = self.take("one")
        self.lost = ["one"]
        self.side.progress(one, 1, None)
        await self.side.flush(self.shard)
        self.assertTrue(one.is_lost and one.cancelled.is_set())
        await self.drained()
        self.assertEqual([function for function, _ in self.shard.calls], ["progress"])

    async def test_a_queue_with_a_limit_takes_some_of_the_slots(self) -> None:
        of_queue = QueueSlots(self.slots, "default", 2)
        self.assertEqual((of_queue.concurrency, of_queue.free), (2, 2))
        of_queue.reserve(1)
        self.assertEqual((of_queue.free, self.slots.free), (1, 9))
        of_queue.unreserve(1)
        first, second = self.take("one"), self.take("two")
        self.assertEqual((of_queue.free, self.slots.free), (0, 8))
        self.slots.reserve(8)
        first.settle(Completed(b"1"))
        while self.slots.taken == 2:
            await asyncio.sleep(0)
        self.assertEqual((of_queue.free, self.slots.free), (1, 1))
        self.slots.reserve(1)
        self.assertEqual(of_queue.free, 0)
        second.settle(Completed(b"1"))
        await self.drained()
        self.assertEqual(self.slots.taken_by_queue, {})

    async def test_an_attempt_that_comes_again_loses_the_earlier_one(self) -> None:
        earlier = self.take("same")
        later = self.take("same")
        self.assertTrue(earlier.is_lost)
        self.assertFalse(later.is_lost)
        self.assertIs(self.slots.of(self.shard)["same"], later)
        later.settle(Completed(b"1"))
        await self.drained()
        self.assertEqual(self.slots.free, 10)
