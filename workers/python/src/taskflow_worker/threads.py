"""Threads for plain handlers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class HandlerThreads:
    """Runs functions in threads, at most ``limit``; idle ones are used again.

    The threads are daemons: one whose handler never ends must not keep the process from ending, as those of
    ``concurrent.futures`` do.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._unclaimed = 0
        """Idle threads less the functions that wait for one."""
        self._count = 0

    def submit(self, function: Callable[[], None]) -> None:
        """Runs it as soon as a thread is free. It must not raise.

        Raises RuntimeError when the system gives not even one thread.
        """
        with self._lock:
            self._unclaimed -= 1
            must_start = self._unclaimed < 0 and self._count < self._limit
            if must_start:
                self._start()
        self._work.put(function)

    def close(self) -> None:
        """Ends the threads as they become idle."""
        with self._lock:
            for _ in range(self._count):
                self._work.put(None)

    def _start(self) -> None:
        name = f"taskflow-handler-{self._count + 1}"
        try:
            threading.Thread(target=self._run, name=name, daemon=True).start()
        except RuntimeError:
            # No more threads are to be had: those that are there take turns.
            if self._count == 0:
                self._unclaimed += 1
                raise
        else:
            self._count += 1
            self._unclaimed += 1

    def _run(self) -> None:
        while True:
            function = self._work.get()
            if function is None:
                return
            function()
            # What it holds (payload, result) must not live on until the next one.
            del function
            with self._lock:
                self._unclaimed += 1
