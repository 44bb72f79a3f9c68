"""Runs tasks of TaskFlow in Python. Needs Redis only."""

from .backoff import Backoff
from .context import Context
from .errors import DoNotRetry, RetryAfter, SettingsError, StopReason, TaskStopped
from .settings import RedisServer, Settings, load_settings
from .version import VERSION as __version__
from .worker import Worker

__all__ = [
    "Backoff",
    "Context",
    "DoNotRetry",
    "RedisServer",
    "RetryAfter",
    "Settings",
    "SettingsError",
    "StopReason",
    "TaskStopped",
    "Worker",
    "__version__",
    "load_settings",
]
