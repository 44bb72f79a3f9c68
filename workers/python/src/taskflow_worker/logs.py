"""Logs as TaskFlow's other processes write them: one JSON object a line."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "silent": logging.CRITICAL + 1,
}
# What a record has without anybody's `extra`.
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """The fields of ``extra`` stand beside ``level`` (pino's numbers, which are 10 more: 30 is info), ``time`` and ``msg``."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "level": record.levelno + 10,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "process": "worker",
            "pid": os.getpid(),
        }
        entry |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        entry["msg"] = record.getMessage()
        if record.exc_info:
            entry["err"] = {"stack": self.formatException(record.exc_info)}
        return json.dumps(entry, default=str, separators=(",", ":"))


def configure_logging(level: str) -> None:
    """Writes the log to stdout. ``level`` is a value of LOG_LEVEL."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=_LEVELS[level], handlers=[handler], force=True)
