"""The process around a worker."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from .errors import SettingsError
from .logs import configure_logging

if TYPE_CHECKING:
    from .settings import Settings
    from .worker import Worker

_logger = logging.getLogger(__name__)

_SAME_SIGNAL_SECONDS = 1.0
"""A Ctrl-C may reach a process twice: from the terminal, and passed on by its parent. A second signal counts after this."""


def run_process(worker: Worker) -> None:
    """Runs a worker until SIGTERM or SIGINT. Ends the process with one line on stderr for what a person can mend."""
    if not worker.tasks:
        exit_with("the worker has no task types")
    try:
        settings = worker.load_settings()
    except SettingsError as error:
        exit_with(str(error))
    configure_logging(settings.log_level)
    try:
        asyncio.run(_serve(worker, settings))
    except SettingsError as error:
        exit_with(str(error))


def exit_with(message: str) -> NoReturn:
    """Ends the process as failed, with a line on stderr."""
    sys.stderr.write(f"{message}\n")
    sys.exit(1)


async def _serve(worker: Worker, settings: Settings) -> None:
    _stop_on_signals(worker)
    serving = asyncio.create_task(worker.serve(settings))
    _logger.info("started")
    await serving
    _logger.info("stopped")
    if worker.strays:
        # Neither a thread nor a handler that ignores its cancellation can be ended in another way.
        _exit_at_once(0)


def _stop_on_signals(worker: Worker) -> None:
    loop = asyncio.get_running_loop()
    stopping_since: float | None = None

    def on_signal() -> None:
        nonlocal stopping_since
        if stopping_since is None:
            stopping_since = loop.time()
            worker.stop()
        elif loop.time() - stopping_since > _SAME_SIGNAL_SECONDS:
            _exit_at_once(1)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)


def _exit_at_once(code: int) -> NoReturn:
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
