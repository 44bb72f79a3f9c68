"""Spans of attempts, where the package ``opentelemetry-api`` is installed. What collects them is up to the program."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .claim import Claim
from .version import VERSION


def _find(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_trace = _find("opentelemetry.trace")
_context = _find("opentelemetry.context")
_propagation = _find("opentelemetry.trace.propagation.tracecontext")


class AttemptSpan:
    """The run of one attempt, as a span and a child of the submission's."""

    __slots__ = ("_span", "_context", "traceparent")

    def __init__(self, claim: Claim, worker_id: str) -> None:
        propagator = _propagation.TraceContextTextMapPropagator()
        parent = propagator.extract({"traceparent": claim.traceparent}, context=_context.Context())
        self._span = _trace.get_tracer("taskflow", VERSION).start_span(
            f"run {claim.queue}",
            context=parent,
            kind=_trace.SpanKind.CONSUMER,
            # As OpenTelemetry's semantic conventions for messaging have them. Never a payload.
            attributes={
                "messaging.system": "taskflow",
                "messaging.operation.name": "run",
                "messaging.operation.type": "process",
                "messaging.destination.name": claim.queue,
                "messaging.message.id": claim.id,
                "messaging.client.id": worker_id,
                "taskflow.task.type": claim.type,
                "taskflow.task.attempt": claim.attempt,
            },
        )
        self._context = _trace.set_span_in_context(self._span, parent)
        carrier: dict[str, str] = {}
        propagator.inject(carrier, context=self._context)
        self.traceparent: str = carrier.get("traceparent") or claim.traceparent or ""
        """Of this span; of the submission's where nothing collects spans."""

    @contextmanager
    def active(self) -> Iterator[None]:
        """Within it, spans that are begun are children of this one."""
        token = _context.attach(self._context)
        try:
            yield
        finally:
            _context.detach(token)

    def end(self, outcome: str, code: str | None) -> None:
        """``code``: why it failed; None for one that did not."""
        self._span.set_attribute("taskflow.task.outcome", outcome)
        if code is not None:
            self._span.set_attribute("error.type", code)
            self._span.set_status(_trace.StatusCode.ERROR)
        self._span.end()


def start_span(claim: Claim, worker_id: str) -> AttemptSpan | None:
    """None for a task that is not traced, and without ``opentelemetry-api``."""
    if claim.traceparent is None or _trace is None or _context is None or _propagation is None:
        return None
    return AttemptSpan(claim, worker_id)
