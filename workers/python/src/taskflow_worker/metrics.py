"""Counts what a worker does, for Prometheus. Needs the package ``prometheus_client``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .observer import Observer
from .version import VERSION

# As the workers in TypeScript have them: src/metrics/registry.ts.
_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LONG = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200)
_COUNTS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics(Observer):
    """Has the same metrics as the workers in TypeScript; docs/observability.md lists them.

    ``slots`` and ``used`` are asked at each scrape. Raises ImportError without ``prometheus_client``.
    """

    def __init__(self, slots: Callable[[], int], used: Callable[[], int]) -> None:
        import prometheus_client as prometheus

        self._prometheus: Any = prometheus
        registry = prometheus.CollectorRegistry()
        self._registry = registry
        prometheus.ProcessCollector(registry=registry)
        about = prometheus.Gauge("taskflow_build_info", "Always 1.", ["version", "process"], registry=registry)
        about.labels(VERSION, "worker").set(1)
        for name, text, read in (
            ("taskflow_worker_slots", "Tasks that this worker may hold at once.", slots),
            ("taskflow_worker_slots_used", "Tasks that it holds.", used),
        ):
            prometheus.Gauge(name, text, registry=registry).set_function(read)

        def histogram(name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()) -> Any:
            return prometheus.Histogram(name, text, labels, buckets=buckets, registry=registry)

        self._claim_sizes = histogram("taskflow_worker_claim_batch_size", "Tasks of one call for work.", _COUNTS)
        self._claims = histogram("taskflow_worker_claim_duration_seconds", "How long such a call took.", _SHORT)
        self._reports = histogram("taskflow_worker_report_duration_seconds", "How long a report took.", _SHORT)
        self._refused = prometheus.Counter(
            "taskflow_worker_outcomes_refused", "Outcomes that came too late.", registry=registry
        )
        self._attempts = prometheus.Counter(
            "taskflow_worker_attempts", "Attempts that ended here.", ["type", "outcome"], registry=registry
        )
        self._durations = histogram(
            "taskflow_worker_attempt_duration_seconds", "From the claim to the end of the handler.", _LONG, ("type",)
        )

    def claimed(self, tasks: int, seconds: float) -> None:
        self._claim_sizes.observe(tasks)
        self._claims.observe(seconds)

    def ended(self, type: str, outcome: str, seconds: float) -> None:
        self._attempts.labels(type, outcome).inc()
        self._durations.labels(type).observe(seconds)

    def reported(self, attempts: int, lost: int, seconds: float) -> None:
        self._reports.observe(seconds)
        if lost:
            self._refused.inc(lost)

    def text(self) -> bytes:
        """What is answered at ``/metrics``."""
        latest: bytes = self._prometheus.generate_latest(self._registry)
        return latest
