"""How attempts end. Every handler ends in one of these, whatever it returned or raised."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any, TypeAlias

from .encoding import to_json
from .errors import DoNotRetry, RetryAfter, StopReason

# Errors travel through Redis and stay in the audit trail: a message of megabytes must not. In characters.
_MAX_MESSAGE_LENGTH = 4_000
_MAX_STACK_LENGTH = 8_000
_MAX_CODE_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Completed:
    result: bytes
    """JSON."""


@dataclass(frozen=True, slots=True)
class Failed:
    failure: dict[str, str]
    """``message``, and ``code`` and ``stack`` where they are known."""
    may_retry: bool = True
    delay_ms: int | None = None
    """Until the next attempt. Default: the backoff of the task."""


@dataclass(frozen=True, slots=True)
class Released:
    """Handed back unfinished; no attempt is used up."""


Outcome: TypeAlias = Completed | Failed | Released

RELEASED = Released()


def refused(code: str, message: str) -> Failed:
    """A failure that another attempt would repeat."""
    return Failed({"message": message, "code": code}, may_retry=False)


def outcome_of_result(value: Any, max_result_bytes: int) -> Outcome:
    """What a handler returned. A result that cannot be kept makes the task fail, without another attempt."""
    try:
        result = to_json(value)
    except RecursionError:
        return refused("RESULT_NOT_SERIALIZABLE", "the result is not JSON: it is nested too deeply")
    except Exception as error:
        return refused("RESULT_NOT_SERIALIZABLE", f"the result is not JSON: {error}"[:_MAX_MESSAGE_LENGTH])
    if len(result) > max_result_bytes:
        message = f"the result takes {len(result)} bytes; at most {max_result_bytes} are allowed"
        return refused("RESULT_TOO_LARGE", message)
    return Completed(result)


def outcome_of_error(error: BaseException) -> Failed:
    """The outcome that a raised error stands for. Never raises."""
    failure = _failure_of(error)
    if isinstance(error, DoNotRetry):
        return Failed(failure, may_retry=False)
    if isinstance(error, RetryAfter):
        return Failed(failure, delay_ms=error.delay_ms)
    return Failed(failure)


def outcome_of_stop(reason: StopReason, timeout_ms: int | None) -> Outcome:
    """How an attempt ends that was told to stop, and did without a result."""
    if reason is StopReason.TIMEOUT:
        return Failed({"message": f"the attempt did not end within {timeout_ms} ms", "code": "TIMEOUT"})
    if reason is StopReason.CANCELLED:
        return Failed({"message": "the task was cancelled", "code": "CANCELLED"})
    return RELEASED


def _failure_of(error: BaseException) -> dict[str, str]:
    # Errors are classes of anyone: even looking at them may fail.
    name = type(error).__name__
    try:
        failure = {"message": _shorten(str(error) or name, _MAX_MESSAGE_LENGTH)}
        code = getattr(error, "code", None)
        if isinstance(code, str | int) and not isinstance(code, bool):
            failure["code"] = _shorten(str(code), _MAX_CODE_LENGTH)
        stack = "".join(traceback.format_exception(error)).rstrip()
        # Python's last lines tell most.
        failure["stack"] = stack if len(stack) <= _MAX_STACK_LENGTH else f"…{stack[1 - _MAX_STACK_LENGTH:]}"
        return failure
    except Exception:
        return {"message": name}


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
