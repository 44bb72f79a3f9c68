"""What the tests share: shards that only note what they are called with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from taskflow_worker.attempt import Attempt
from taskflow_worker.claim import Claim
from taskflow_worker.lanes import Shard
from taskflow_worker.outcome import Outcome

Reply = Callable[[str, tuple[Any, ...]], Awaitable[Any]]


class FakeShard(Shard):
    """Answers with ``reply``, by default that no lease was lost."""

    def __init__(self, reply: Reply | None = None) -> None:
        object.__setattr__(self, "tag", "{tf:low:0}")
        object.__setattr__(self, "id", "low:0")
        object.__setattr__(self, "calls", [])
        object.__setattr__(self, "reply", reply)

    calls: list[tuple[str, tuple[Any, ...]]]
    reply: Reply | None

    async def call(self, function: str, *args: Any) -> Any:
        self.calls.append((function, args))
        if self.reply is None:
            await asyncio.sleep(0)
            return []
        return await self.reply(function, args)


class Outcomes(dict[str, Outcome]):
    """How attempts ended, by task id."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = asyncio.Event()

    def note(self, attempt: Attempt, outcome: Outcome) -> None:
        if attempt.claim.id in self:
            raise AssertionError(f"{attempt.claim.id} ended twice")
        self[attempt.claim.id] = outcome
        self._changed.set()

    async def of(self, attempt: Attempt) -> Outcome:
        async with asyncio.timeout(10):
            while attempt.claim.id not in self:
                self._changed.clear()
                await self._changed.wait()
        return self[attempt.claim.id]


def claim(type: str = "test", payload: Any = None, *, id: str = "a", timeout_ms: int | None = None) -> Claim:
    return Claim(id, "1.1", 1, 3, timeout_ms, "owner", "default", type, json.dumps(payload), "")


def attempt(
    *, id: str = "a", shard: Shard | None = None, on_settled: Callable[[Attempt, Outcome], None] | None = None
) -> Attempt:
    return Attempt(claim(id=id), shard or FakeShard(), on_settled or (lambda attempt, outcome: None))
