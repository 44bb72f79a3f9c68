"""What is made of the replies of Redis."""

from __future__ import annotations

import unittest
from typing import Any

from taskflow_worker.claim import to_claims

_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _fields(id: str) -> list[Any]:
    return [id, "7.2", 1, 3, "", "owner", "default", "echo", "{}", ""]


class Claims(unittest.TestCase):
    def test_a_reply_without_traces(self) -> None:
        self.assertEqual(to_claims([]), [])
        one, two = to_claims(_fields("a") + _fields("b"))
        self.assertEqual((one.id, one.traceparent, two.id, two.traceparent), ("a", None, "b", None))

    def test_the_traces_of_those_that_have_one(self) -> None:
        one, two = to_claims([*_fields("a"), *_fields("b"), f"b\t{_TRACE}"])
        self.assertEqual((one.traceparent, two.traceparent), (None, _TRACE))


if __name__ == "__main__":
    unittest.main()
