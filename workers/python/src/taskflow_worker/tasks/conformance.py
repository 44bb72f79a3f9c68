"""Task types of the suite that the workers of all languages must pass, and of first steps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from ..context import Context
from ..errors import DoNotRetry, RetryAfter
from ..worker import Worker

_PROGRESS_SECONDS = 0.15
"""Between two values, so that they are not coalesced."""


class _CodedError(Exception):
    def __init__(self, message: str, code: str | None) -> None:
        super().__init__(message)
        self.code = code


def _object(required: Mapping[str, str], **optional: str) -> dict[str, Any]:
    """JSON Schema of an object, from the types of its properties."""
    properties = {name: {"type": type} for name, type in {**required, **optional}.items()}
    return {"type": "object", "properties": properties, "required": list(required)}


def register(worker: Worker) -> None:
    for type, handler, schema in [
        ("echo", _echo, None),
        ("sleep", _sleep, _object({"ms": "integer"}, steps="integer")),
        ("fail", _fail, _object({"message": "string"}, untilAttempt="integer")),
        ("conformance.error", _error, _object({"message": "string"}, code="string", retry="string", delayMs="integer")),
        ("conformance.log", _log, _object({"lines": "integer"}, level="string", message="string", fields="object")),
        ("conformance.progress", _progress, _object({"values": "array"})),
        ("conformance.block", _block, _object({"ms": "integer"})),
        ("conformance.parents", _parents, None),
        ("conformance.context", _context, None),
        ("conformance.big", _big, _object({"bytes": "integer"})),
    ]:
        worker.task(type, payload_schema=schema)(handler)


async def _echo(payload: Any, ctx: Context) -> Any:
    return payload


async def _sleep(payload: Any, ctx: Context) -> Any:
    ms, steps = payload["ms"], payload.get("steps", 1)
    for step in range(1, steps + 1):
        await asyncio.sleep(ms / steps / 1_000)
        ctx.progress(100 * step / steps)
    return {"ms": ms}


def _fail(payload: Any, ctx: Context) -> Any:
    until = payload.get("untilAttempt")
    if until is None or ctx.attempt < until:
        raise RuntimeError(payload["message"])
    return {"attempt": ctx.attempt}


def _error(payload: Any, ctx: Context) -> Any:
    message, code = payload["message"], payload.get("code")
    match payload.get("retry", "default"):
        case "never":
            raise DoNotRetry(message, code=code)
        case "after":
            raise RetryAfter(payload["delayMs"], message, code=code)
        case _:
            raise _CodedError(message, code)


async def _log(payload: Any, ctx: Context) -> Any:
    lines, message = payload["lines"], payload.get("message", "line")
    for number in range(1, lines + 1):
        text = f"{message} {number}" if lines > 1 else message
        ctx.log(payload.get("level", "info"), text, **payload.get("fields", {}))
    return {"lines": lines}


async def _progress(payload: Any, ctx: Context) -> Any:
    for value in payload["values"]:
        ctx.progress(value, payload.get("detail"))
        await asyncio.sleep(_PROGRESS_SECONDS)
    return {"reported": len(payload["values"])}


def _block(payload: Any, ctx: Context) -> Any:
    """Deaf to its stop signal."""
    time.sleep(payload["ms"] / 1_000)
    return "done"


async def _parents(payload: Any, ctx: Context) -> Any:
    return ctx.parents


async def _context(payload: Any, ctx: Context) -> Any:
    return {
        "taskId": ctx.task_id,
        "attempt": ctx.attempt,
        "maxAttempts": ctx.max_attempts,
        "queue": ctx.queue,
        "ownerId": ctx.owner_id,
        "traceparent": ctx.traceparent,
    }


async def _big(payload: Any, ctx: Context) -> Any:
    return "x" * payload["bytes"]
