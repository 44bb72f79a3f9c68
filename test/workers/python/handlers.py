"""Task types that test/workers/python.test.ts runs."""

import asyncio
import sys
import time
from typing import Any

from taskflow_worker import Backoff, Context, RetryAfter, TaskStopped, Worker

worker = Worker()

NUMBER = {
    "type": "object",
    "properties": {"n": {"type": "number"}},
    "required": ["n"],
    "additionalProperties": False,
}


@worker.task("double.plain", payload_schema=NUMBER, timeout_ms=60_000, max_attempts=2, backoff=Backoff("FIXED", 10))
def double(payload: Any, ctx: Context) -> float:
    return 2 * payload["n"]


@worker.task("double.async", payload_schema=NUMBER)
async def double_async(payload: Any, ctx: Context) -> float:
    await asyncio.sleep(0)
    return 2 * payload["n"]


@worker.task("not-a-number")
async def not_a_number(payload: Any, ctx: Context) -> float:
    return float("nan")


@worker.task("exit")
def leave(payload: Any, ctx: Context) -> None:
    sys.exit("enough")


@worker.task("stuck")
def stuck(payload: Any, ctx: Context) -> None:
    time.sleep(3_600)


@worker.task("deaf")
async def deaf(payload: Any, ctx: Context) -> None:
    while True:
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            pass


@worker.task("tidy.plain")
def tidy(payload: Any, ctx: Context) -> None:
    ctx.log("info", "begun")
    ctx.cancelled.wait()
    try:
        ctx.raise_if_cancelled()
    except TaskStopped as stopped:
        ctx.log("warn", "tidied up", reason=stopped.reason.value)
        raise


@worker.task("tidy.async")
async def tidy_async(payload: Any, ctx: Context) -> None:
    ctx.log("info", "begun")
    try:
        await asyncio.sleep(3_600)
    finally:
        assert ctx.stop_reason is not None
        ctx.log("warn", "tidied up", reason=ctx.stop_reason.value)


@worker.task("wait-twice")
async def wait_twice(payload: Any, ctx: Context) -> int:
    if ctx.attempt < 3:
        raise RetryAfter(1, "not yet", code="BUSY")
    return ctx.attempt


running = 0


@worker.task("peak")
async def peak(payload: Any, ctx: Context) -> int:
    """How many of its kind ran when it began, itself included."""
    global running
    running += 1
    began_with = running
    await asyncio.sleep(0.2)
    running -= 1
    return began_with
