"""Logs as TaskFlow's other processes write them: one JSON object a line."""

from __future__ import annotations

import json
import logging
import os
import re
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
# From here on, Redis quotes the arguments of a command that it does not know: payloads and results.
_ARGUMENTS = re.compile(r", with args beginning with.*")
# What a record has without anybody's `extra`.
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


_bound: dict[str, object] = {}


def bind(**fields: object) -> None:
    """From now on, these stand in every line."""
    _bound.update(fields)


class JsonFormatter(logging.Formatter):
    """The fields of ``extra`` stand beside ``level`` (pino's numbers, which are 10 more: 30 is info), ``time`` and ``msg``."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "level": record.levelno + 10,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "process": "worker",
            "pid": os.getpid(),
            **_bound,
        }
        entry |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        entry["msg"] = _without_arguments(record.getMessage())
        if record.exc_info:
            entry["err"] = {"stack": _without_arguments(self.formatException(record.exc_info))}
        return json.dumps(entry, default=str, separators=(",", ":"))


def _without_arguments(text: str) -> str:
    return _ARGUMENTS.sub(" …", text)


def configure_logging(level: str) -> None:
    """Writes the log to stdout. ``level`` is a value of LOG_LEVEL."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=_LEVELS[level], handlers=[handler], force=True)
