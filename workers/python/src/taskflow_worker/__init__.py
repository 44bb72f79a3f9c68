"""Runs tasks of TaskFlow in Python. Needs Redis only."""

from .backoff import Backoff
from .context import Context
from .errors import DoNotRetry, RetryAfter, SettingsError, StopReason, TaskStopped
from .redis_settings import Address, RedisServer, RedisTls
from .settings import Settings, load_settings
from .version import VERSION as __version__
from .worker import Worker

__all__ = [
    "Address",
    "Backoff",
    "Context",
    "DoNotRetry",
    "RedisServer",
    "RedisTls",
    "RetryAfter",
    "Settings",
    "SettingsError",
    "StopReason",
    "TaskStopped",
    "Worker",
    "__version__",
    "load_settings",
]
