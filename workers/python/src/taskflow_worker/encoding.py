"""Values as JSON, as the broker takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_RECORD_LENGTH = 8_000
"""Of one log record, as JSON; a longer message is cut, and fields that do not fit are left out."""
MAX_DETAIL_BYTES = 4_096
"""Of a detail beside progress, as JSON."""


def to_json(value: Any) -> bytes:
    """The value as JSON in UTF-8.

    Raises TypeError, ValueError or RecursionError for what is no JSON, NaN and the infinities among it.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair has no UTF-8, but JSON can name it.
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def to_record(record: Mapping[str, Any]) -> bytes:
    """A record as JSON; never raises, and never longer than MAX_RECORD_LENGTH characters."""
    given = {name: value for name, value in record.items() if value is not None}
    try:
        text = to_json(given)
        # Bytes are counted first: they are never fewer than the characters.
        if len(text) <= MAX_RECORD_LENGTH or len(text.decode()) <= MAX_RECORD_LENGTH:
            return text
    except Exception:  # Fields may hold anything, even what fails when it is looked at.
        pass
    message = str(given.get("message", ""))[: MAX_RECORD_LENGTH // 2]
    return to_json({"level": given.get("level", "info"), "message": message, "isCut": True})


def to_detail(detail: Any) -> bytes:
    """The detail of a progress as the broker takes it; of a large one only the size. Empty for none, and for what is no JSON."""
    if detail is None:
        return b""
    try:
        text = to_json(detail)
    except Exception:  # It may be anything, even what fails when it is looked at.
        return b""
    if len(text) <= MAX_DETAIL_BYTES:
        return b'{"detail":' + text + b"}"
    return to_json({"detail": {"error": "DETAIL_TOO_LARGE", "bytes": len(text), "limit": MAX_DETAIL_BYTES}})
