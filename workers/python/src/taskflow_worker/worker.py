"""A worker: what it can run, and how it is run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from .backoff import Backoff
from .process import run_process
from .runtime import Runtime
from .settings import Settings, load_settings, parse_queues
from .task import Handler, TaskDefinition, define_task
from .watch import Watch

_H = TypeVar("_H", bound=Handler)


class Worker:
    """Task types, and the process that runs them::

        worker = Worker()

        @worker.task("mail.send", timeout_ms=30_000)
        async def send_mail(payload, ctx):
            ...
            return {"sent": True}

        if __name__ == "__main__":
            worker.run()

    ``settings``: default is what the environment says when it starts. ``queues`` (``["mail", "images:5"]``: of these at most
    five at once) and ``concurrency`` replace what stands in the settings.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        queues: Iterable[str] | None = None,
        concurrency: int | None = None,
    ) -> None:
        self._given = settings
        self._changes: dict[str, Any] = {}
        if queues is not None:
            self._changes["queues"], self._changes["queue_limits"] = parse_queues(queues)
        if concurrency is not None:
            self._changes["concurrency"] = concurrency
        self._tasks: dict[str, TaskDefinition] = {}
        self._stopping: asyncio.Event | None = None
        self._runtime: Runtime | None = None

    @property
    def tasks(self) -> Mapping[str, TaskDefinition]:
        """By type."""
        return self._tasks

    @property
    def strays(self) -> int:
        """Handlers that run on though their attempts were given up; only the end of the process ends them."""
        return self._runtime.strays if self._runtime else 0

    def task(
        self,
        type: str,
        *,
        payload_schema: Mapping[str, Any] | None = None,
        timeout_ms: int | None = None,
        max_attempts: int | None = None,
        backoff: Backoff | None = None,
    ) -> Callable[[_H], _H]:
        """Declares that the decorated function runs tasks of this type.

        It is called with the payload and a Context, and returns the result, which must be JSON. An ``async def`` runs on the
        event loop, and must not block it; a plain function runs in a thread.

        ``type``: 1 to 128 characters out of a-z, A-Z, 0-9 and ``._:-``. ``payload_schema``: a JSON Schema (draft 2020-12);
        submissions that do not fit are refused by the api. ``timeout_ms``, ``max_attempts`` and ``backoff``: of tasks that do not
        say.

        Raises ValueError for what cannot name a task type, for one that is declared twice, and for numbers that no task could
        have.
        """

        def declare(handler: _H) -> _H:
            definition = define_task(
                type,
                handler,
                payload_schema=payload_schema,
                timeout_ms=timeout_ms,
                max_attempts=max_attempts,
                backoff=backoff,
            )
            if type in self._tasks:
                raise ValueError(f'the task type "{type}" is declared twice')
            self._tasks[type] = definition
            return handler

        return declare

    def load_settings(self) -> Settings:
        """The settings that it runs with. Raises SettingsError."""
        return replace(self._given or load_settings(), **self._changes)

    async def serve(self, settings: Settings | None = None) -> None:
        """Runs tasks inside an event loop until ``stop`` is called, then shuts down in order.

        Raises ValueError when it has no task types, and SettingsError, also where it cannot listen on METRICS_PORT.
        """
        if not self._tasks:
            raise ValueError("a worker needs at least one task type")
        used = settings or self.load_settings()
        self._stopping = asyncio.Event()
        watch = Watch(used)
        await watch.start()
        try:
            self._runtime = Runtime(self._tasks, used, watch.observer)
            watch.runtime = self._runtime
            await self._stopping.wait()
            await self._runtime.stop(used.shutdown_grace_ms)
        finally:
            watch.close()

    def stop(self) -> None:
        """Begins the shutdown; called in the event loop. Calling it again changes nothing."""
        if self._stopping is not None:
            self._stopping.set()

    def run(self) -> None:
        """Runs tasks until SIGTERM or SIGINT, then shuts down in order; a second signal ends it at once.

        Ends the process when its settings are wrong, or where handlers that were given up would keep it from ending.
        """
        run_process(self)
