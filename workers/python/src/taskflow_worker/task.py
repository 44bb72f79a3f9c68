"""Task types that a worker can run."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .backoff import WEEK_MS, Backoff
from .context import Context
from .payload_check import payload_check

Handler: TypeAlias = Callable[[Any, Context], Any]
"""Returns the result, which must be JSON, or raises; ``async def`` or plain."""

_MAX_ATTEMPTS = 100
_TASK_TYPE = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """A task type and what runs it."""

    type: str
    handler: Handler
    is_async: bool
    payload_schema: str
    """JSON Schema (draft 2020-12) of the payload as text, ``null`` for any. Submissions are checked with it."""
    defaults: str
    """JSON object: ``timeoutMs``, ``maxAttempts`` and ``backoff`` of tasks that do not say."""
    check: Callable[[Any], str | None]
    """What is wrong with a payload; None where it fits."""


def define_task(
    type: str,
    handler: Handler,
    *,
    payload_schema: Mapping[str, Any] | None = None,
    timeout_ms: int | None = None,
    max_attempts: int | None = None,
    backoff: Backoff | None = None,
) -> TaskDefinition:
    """Raises ValueError for what cannot name a task type, and for numbers that no task could have."""
    if not _TASK_TYPE.fullmatch(type):
        raise ValueError(f'"{type}" cannot name a task type: it must match {_TASK_TYPE.pattern}')
    defaults: dict[str, Any] = {}
    if timeout_ms is not None:
        defaults["timeoutMs"] = _checked("timeout_ms", timeout_ms, WEEK_MS)
    if max_attempts is not None:
        defaults["maxAttempts"] = _checked("max_attempts", max_attempts, _MAX_ATTEMPTS)
    if backoff is not None:
        defaults["backoff"] = backoff.encode()
    return TaskDefinition(
        type=type,
        handler=handler,
        is_async=_is_async(handler),
        payload_schema=json.dumps(payload_schema),
        defaults=json.dumps(defaults),
        check=payload_check(payload_schema),
    )


def _checked(name: str, value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise ValueError(f"{name} must be between 1 and {most}")
    return value


def _is_async(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))
