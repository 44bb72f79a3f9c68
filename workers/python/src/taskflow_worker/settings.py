"""Settings, by the same names in the environment as TaskFlow's other processes have them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import SettingsError
from .redis_settings import RedisServer, read_redis_server
from .settings_reader import SettingsReader

_QUEUE = r"[a-z0-9._-]{1,64}(:[1-9]\d{0,4})?"
_QUEUES = re.compile(rf"\*|{_QUEUE}(,{_QUEUE})*")
_PREFIX = re.compile(r"[a-z0-9_-]{1,40}")
_LOG_LEVELS = ("trace", "debug", "info", "warn", "error", "fatal", "silent")
_ENV_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*")


@dataclass(frozen=True)
class Settings:
    """What a worker needs to know. The defaults are those of the environment's variables."""

    high: RedisServer = RedisServer()
    low: RedisServer = RedisServer()
    prefix: str = "tf"
    """Before every key in Redis."""
    redis_timeout_ms: int = 2_000
    """How long one command may take."""
    shards_per_lane: int = 1
    """The same for all processes."""
    queues: tuple[str, ...] = ("*",)
    """Queues to serve; ``*`` for all."""
    queue_limits: Mapping[str, int] = field(default_factory=dict)
    """Of these, how many tasks run at once of a queue. Default: as many as of all together."""
    concurrency: int = 100
    """How many tasks run at once."""
    max_result_bytes: int = 1_048_576
    """Largest result of a task, as JSON."""
    lease_ms: int = 30_000
    """How long the worker may be silent before its tasks are given to another."""
    heartbeat_interval_ms: int = 30_000
    shutdown_grace_ms: int = 10_000
    """How long running tasks may go on after SIGTERM; the rest is handed back."""
    log_level: str = "info"
    metrics_port: int | None = None
    """Where the process answers ``/healthz``, ``/readyz`` and ``/metrics``; None: nowhere."""
    metrics_host: str = "127.0.0.1"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings and checks them together.

    ``environment`` is the process's by default, after ``.env`` in the working folder, if there is one.

    Raises SettingsError, which names every setting that is wrong.
    """
    reader = SettingsReader(_read_environment() if environment is None else environment)
    queues, queue_limits = parse_queues(reader.text("WORKER_QUEUES", "*", _QUEUES).split(","))
    settings = Settings(
        high=read_redis_server(reader, "HIGH"),
        low=read_redis_server(reader, "LOW"),
        prefix=reader.text("REDIS_KEY_PREFIX", "tf", _PREFIX),
        redis_timeout_ms=reader.whole("REDIS_TIMEOUT_MS", 2_000, 50, 60_000),
        shards_per_lane=reader.whole("SHARDS_PER_LANE", 1, 1, 64),
        queues=queues,
        queue_limits=queue_limits,
        concurrency=reader.whole("WORKER_CONCURRENCY", 100, 1, 10_000),
        max_result_bytes=reader.whole("MAX_RESULT_BYTES", 1_048_576, 1, 67_108_864),
        lease_ms=reader.whole("LEASE_MS", 30_000, 300, 3_600_000),
        heartbeat_interval_ms=round(reader.number("HEARTBEAT_INTERVAL_SECONDS", 30, 0.1, 3_600) * 1_000),
        shutdown_grace_ms=reader.whole("SHUTDOWN_GRACE_MS", 10_000, 0, 3_600_000),
        log_level=reader.one_of("LOG_LEVEL", "info", _LOG_LEVELS),
        metrics_port=reader.whole_or_none("METRICS_PORT", 0, 65_535),
        metrics_host=reader.text("METRICS_HOST", "127.0.0.1"),
    )
    if reader.problems:
        raise SettingsError("\n".join(reader.problems))
    return settings


def parse_queues(texts: Iterable[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Names of queues, each with a limit after a colon or without (``mail``, ``images:5``), as names and limits."""
    queues: list[str] = []
    limits: dict[str, int] = {}
    for text in texts:
        name, _, limit = text.partition(":")
        if name not in queues:
            queues.append(name)
        if limit.isdecimal():
            limits[name] = int(limit)
    return tuple(queues), limits


def _read_environment() -> Mapping[str, str]:
    file = Path(".env")
    given = _parse_env_file(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {**given, **os.environ}


def _parse_env_file(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in text.splitlines():
        match = _ENV_LINE.fullmatch(line)
        if not match:
            continue
        value = match[2]
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        else:
            value = value.partition(" #")[0].rstrip()
        values[match[1]] = value
    return values
