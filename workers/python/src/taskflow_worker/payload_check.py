"""Checks payloads once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

try:
    import jsonschema
except ImportError:
    jsonschema = None


def payload_check(schema: Mapping[str, Any] | None) -> Callable[[Any], str | None]:
    """A function that says what is wrong with a payload; None where it fits.

    The api checks submissions, but a task may have waited since before its type had this schema. Without the package
    ``jsonschema`` everything fits.

    Raises ValueError for what is no JSON Schema.
    """
    if schema is None or jsonschema is None:
        return lambda payload: None
    kind = jsonschema.Draft202012Validator
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ValueError(f"payload_schema is no JSON Schema: {error.message}") from error
    validator = kind(schema)

    def check(payload: Any) -> str | None:
        fault = next(validator.iter_errors(payload), None)
        if fault is None:
            return None
        path = ".".join(str(step) for step in fault.absolute_path)
        return f"{path}: {fault.message}" if path else str(fault.message)

    return check
