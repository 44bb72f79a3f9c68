import unittest
from typing import Any

from taskflow_worker import DoNotRetry
from taskflow_worker.context import Context
from taskflow_worker.side_reporter import SideReporter
from taskflow_worker.tasks.text_keywords import _handle

from .support import attempt

TEXT = """
This is about a distributed task queue. A worker of the distributed task
queue, wherever it runs, takes a task under a lease. If the lease runs out, the task is for another worker.
"""


class Keywords(unittest.IsolatedAsyncioTestCase):
    def run_task(self, payload: Any) -> dict[str, Any]:
        one = attempt()
        return _handle(payload, Context(one, payload, SideReporter([one.shard])))

    async def test_the_longest_terms_of_the_text_come_first(self) -> None:
        result = self.run_task({"text": TEXT, "limit": 2})
        self.assertEqual(
            result["keywords"],
            [
                {"keyword": "distributed task queue", "score": 16.0, "count": 2},
                {"keyword": "task", "score": 4.0, "count": 2},
            ],
        )
        self.assertEqual(result["words"], 34)

    async def test_a_text_without_words_has_no_keywords(self) -> None:
        self.assertEqual(self.run_task({"text": " 1 2, the -- and!"})["keywords"], [])

    async def test_a_payload_without_text_is_refused(self) -> None:
        with self.assertRaises(DoNotRetry):
            self.run_task({})
