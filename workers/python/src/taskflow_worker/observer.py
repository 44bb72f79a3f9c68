"""Who is told what a worker does."""

from __future__ import annotations


class Observer:
    """Told what a worker does, on its event loop. This one does not care; ``metrics.py`` has one that counts."""

    def claimed(self, tasks: int, seconds: float) -> None:
        """A call for tasks was answered."""

    def ended(self, type: str, outcome: str, seconds: float) -> None:
        """An attempt was settled: ``completed``, ``retried``, ``failed``, ``released`` or ``lost``."""

    def reported(self, attempts: int, lost: int, seconds: float) -> None:
        """Redis was told how attempts ended, in one call."""
