"""What can be watched of a worker: its health, and what it counts."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import SettingsError
from .metrics import CONTENT_TYPE, Metrics
from .observer import Observer
from .probes import ProbeServer
from .runtime import Runtime
from .settings import Settings


class Watch:
    """Serves both on METRICS_PORT, where that is set. ``observer`` is for the runtime, and ``runtime`` is set when there is one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.runtime: Runtime | None = None
        self._metrics = None if settings.metrics_port is None else self._open_metrics()
        self.observer = self._metrics or Observer()
        self._probes: ProbeServer | None = None

    async def start(self) -> None:
        """Raises SettingsError when the port cannot be had."""
        settings = self._settings
        if settings.metrics_port is None:
            return
        metrics = self._metrics
        answer = None if metrics is None else lambda: (CONTENT_TYPE, metrics.text())
        self._probes = ProbeServer(self._check, answer)
        try:
            await self._probes.start(settings.metrics_host, settings.metrics_port)
        except OSError as error:
            raise SettingsError(f"METRICS_PORT: {settings.metrics_port} cannot be listened on: {error.strerror}") from error

    def close(self) -> None:
        if self._probes is not None:
            self._probes.close()

    def _open_metrics(self) -> Metrics | None:
        try:
            return Metrics(
                slots=lambda: self._settings.concurrency, used=lambda: self.runtime.running if self.runtime else 0
            )
        except ImportError:
            return None

    async def _check(self) -> Mapping[str, str]:
        return {"process": "starting"} if self.runtime is None else await self.runtime.check()
