"""Runs attempts."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from .attempt import Attempt
from .context import Context
from .errors import StopReason
from .outcome import Failed, Outcome, outcome_of_error, outcome_of_result, outcome_of_stop, refused
from .side_reporter import SideReporter
from .slots import Slots
from .task import TaskDefinition
from .threads import HandlerThreads

_logger = logging.getLogger(__name__)

TIMEOUT_GRACE_SECONDS = 2.0
"""How long a handler may take to end once it was told that its time is up; then it is given up."""


class Executor:
    """Loads, runs and settles attempts: ``async def`` handlers on the event loop, plain ones in threads.

    Whatever a handler does, its attempt is settled: by its end, or when its time is up.
    """

    def __init__(
        self, tasks: Mapping[str, TaskDefinition], *, slots: Slots, side: SideReporter, max_result_bytes: int
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks = tasks
        self._slots = slots
        self._side = side
        self._max_result_bytes = max_result_bytes
        # As many again may be busy with attempts that were given up.
        self._threads = HandlerThreads(2 * slots.concurrency)
        self._coroutines: set[asyncio.Task[Any]] = set()
        self._lock = threading.Lock()
        self._ended: deque[tuple[Attempt, Outcome | BaseException]] = deque()

    @property
    def strays(self) -> int:
        """Handlers that run though their attempts were given up."""
        return len(self._coroutines) + self._slots.strays

    def start(self, attempt: Attempt) -> None:
        """Starts it, or settles it at once when it cannot be run. Never raises."""
        if attempt.is_settled:
            return
        if attempt.stop_reason is not None:
            self._settle(attempt, outcome_of_stop(attempt.stop_reason, attempt.claim.timeout_ms))
            return
        loaded = self._load(attempt)
        if isinstance(loaded, Failed):
            self._settle(attempt, loaded)
            return
        definition, context = loaded
        timeout_ms = attempt.claim.timeout_ms
        if timeout_ms is not None:
            attempt.deadline = self._loop.call_later(timeout_ms / 1_000, self._on_deadline, attempt)
        if definition.is_async:
            self._start_coroutine(attempt, definition, context)
        else:
            self._start_thread(attempt, definition, context)

    def close(self) -> None:
        self._threads.close()

    def _load(self, attempt: Attempt) -> tuple[TaskDefinition, Context] | Failed:
        """Finds what runs the task, and reads its payload."""
        claim = attempt.claim
        definition = self._tasks.get(claim.type)
        if definition is None:
            return refused("UNKNOWN_TYPE", f"this worker cannot run {claim.type}")
        try:
            payload = json.loads(claim.payload)
        except (ValueError, RecursionError):
            return refused("INVALID_PAYLOAD", "the payload is not JSON")
        fault = definition.check(payload)
        if fault is not None:
            return refused("INVALID_PAYLOAD", f"the payload does not fit: {fault}")
        return definition, Context(attempt, payload, self._side)

    def _start_coroutine(self, attempt: Attempt, definition: TaskDefinition, context: Context) -> None:
        task = self._loop.create_task(_call(attempt, definition, context))
        attempt.task = task
        self._coroutines.add(task)
        task.add_done_callback(partial(self._on_coroutine_ended, attempt))

    def _on_coroutine_ended(self, attempt: Attempt, task: asyncio.Task[Any]) -> None:
        self._coroutines.discard(task)
        attempt.task = None
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            self._settle_with_error(attempt, error)
        elif not attempt.is_settled:
            self._settle(attempt, outcome_of_result(task.result(), self._max_result_bytes))

    def _start_thread(self, attempt: Attempt, definition: TaskDefinition, context: Context) -> None:
        attempt.is_in_thread = True
        try:
            self._threads.submit(lambda: self._run_in_thread(attempt, definition, context))
        except RuntimeError as error:
            attempt.is_in_thread = False
            self._settle_with_error(attempt, error)

    def _run_in_thread(self, attempt: Attempt, definition: TaskDefinition, context: Context) -> None:
        end: Outcome | BaseException
        try:
            with _active(attempt):
                returned = definition.handler(context.payload, context)
            end = outcome_of_result(returned, self._max_result_bytes)
        except BaseException as error:  # Whatever it is, SystemExit too, is the handler's end and not the worker's.
            end = error
        with self._lock:
            self._ended.append((attempt, end))
            is_first = len(self._ended) == 1
        if not is_first:
            return
        # Handlers that end together wake the loop once.
        try:
            self._loop.call_soon_threadsafe(self._on_threads_ended)
        except RuntimeError:
            pass  # The loop has closed: nobody waits for this one any more.

    def _on_threads_ended(self) -> None:
        with self._lock:
            ended, self._ended = self._ended, deque()
        for attempt, end in ended:
            self._slots.thread_ended(attempt)
            if isinstance(end, BaseException):
                self._settle_with_error(attempt, end)
            else:
                self._settle(attempt, end)

    def _settle_with_error(self, attempt: Attempt, error: BaseException) -> None:
        if attempt.is_settled:
            return
        reason = attempt.stop_reason
        # What is raised after the handler was told to stop is the stopping, not a fault of its own.
        if reason is None:
            self._settle(attempt, outcome_of_error(error))
        else:
            self._settle(attempt, outcome_of_stop(reason, attempt.claim.timeout_ms))

    def _settle(self, attempt: Attempt, outcome: Outcome) -> None:
        if attempt.is_settled:
            return
        if isinstance(outcome, Failed) and not attempt.is_lost:
            _log_failure(attempt, outcome)
        attempt.settle(outcome)

    def _on_deadline(self, attempt: Attempt) -> None:
        attempt.deadline = None
        # One that was told to stop for another reason is given up by whoever told it.
        if attempt.is_settled or attempt.stop_reason is not None:
            return
        attempt.deadline = self._loop.call_later(TIMEOUT_GRACE_SECONDS, self._give_up, attempt)
        attempt.stop(StopReason.TIMEOUT)

    def _give_up(self, attempt: Attempt) -> None:
        attempt.deadline = None
        self._settle(attempt, outcome_of_stop(StopReason.TIMEOUT, attempt.claim.timeout_ms))


async def _call(attempt: Attempt, definition: TaskDefinition, context: Context) -> Any:
    try:
        with _active(attempt):
            return await definition.handler(context.payload, context)
    except (SystemExit, KeyboardInterrupt) as error:
        # They would end the event loop, and the worker with it.
        raise RuntimeError(f"the handler raised {type(error).__name__}") from error


_NO_SPAN = nullcontext()


def _active(attempt: Attempt) -> AbstractContextManager[None]:
    return _NO_SPAN if attempt.span is None else attempt.span.active()


def _log_failure(attempt: Attempt, outcome: Failed) -> None:
    claim = attempt.claim
    fields: dict[str, Any] = {
        "taskId": claim.id,
        "type": claim.type,
        "attempt": claim.attempt,
        "mayRetry": outcome.may_retry and claim.attempt < claim.max_attempts,
    }
    if "code" in outcome.failure:
        fields["code"] = outcome.failure["code"]
    # Without its message, which may hold what users sent: that is kept with the task.
    _logger.info("task failed", extra=fields)
