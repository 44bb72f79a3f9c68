"""What the broker gives to a worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

_FIELDS = 10


class Claim(NamedTuple):
    """An attempt that this worker was given."""

    id: str
    token: str
    """Entitles to this attempt; anything reported with another token is refused."""
    attempt: int
    max_attempts: int
    timeout_ms: int | None
    owner_id: str
    queue: str
    type: str
    payload: str
    """JSON."""
    parents: str
    """What became of the tasks that it waited for: JSON; empty where it waited for none."""
    traceparent: str | None = None
    """W3C Trace Context of its submission, where that is traced."""


def to_claims(flat: Sequence[Any]) -> list[Claim]:
    """The reply of tf1_claim as claims."""
    claims = []
    count = len(flat) // _FIELDS
    traces = _to_traces(flat[-1]) if len(flat) > count * _FIELDS else {}
    for i in range(0, count * _FIELDS, _FIELDS):
        id, token, attempt, most, timeout, owner_id, queue, type, payload, parents = flat[i : i + _FIELDS]
        timeout_ms = None if timeout == "" else int(timeout)
        claims.append(
            Claim(
                id,
                token,
                int(attempt),
                int(most),
                timeout_ms,
                owner_id,
                queue,
                type,
                payload,
                parents,
                traces.get(id),
            )
        )
    return claims


def _to_traces(text: str) -> dict[str, str]:
    """A line for each task that is traced: its id, a tab, its traceparent."""
    return dict(line.split("\t", 1) for line in text.split("\n"))
