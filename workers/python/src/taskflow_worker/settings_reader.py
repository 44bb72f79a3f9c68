"""Single values of the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")


class SettingsReader:
    """Reads single values and collects what is wrong with them: in ``problems``, each with the name of its setting."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        # An empty variable means "not set": compose files and .env files pass them on like that.
        self._values = {name: value for name, value in environment.items() if value != ""}
        self.problems: list[str] = []

    def text(self, name: str, default: str, pattern: re.Pattern[str] | None = None) -> str:
        value = self._values.get(name, default)
        if pattern is not None and not pattern.fullmatch(value):
            self.problems.append(f"{name}: must match {pattern.pattern}")
        return value

    def text_or_none(self, name: str) -> str | None:
        return self._values.get(name)

    def one_of(self, name: str, default: str, values: tuple[str, ...]) -> str:
        value = self._values.get(name, default)
        if value not in values:
            self.problems.append(f"{name}: must be one of {', '.join(values)}")
        return value

    def boolean(self, name: str) -> bool:
        value = self._values.get(name, "false").lower()
        if value not in _TRUE + _FALSE:
            self.problems.append(f"{name}: must be true or false")
        return value in _TRUE

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self.number(name, default, least, most)
        if value != int(value):
            self.problems.append(f"{name}: must be a whole number")
        return int(value)

    def whole_or_none(self, name: str, least: int, most: int) -> int | None:
        return self.whole(name, least, least, most) if name in self._values else None

    def number(self, name: str, default: float, least: float, most: float) -> float:
        try:
            value = float(self._values.get(name, default))
        except ValueError:
            self.problems.append(f"{name}: must be a number")
            return default
        if not least <= value <= most:
            self.problems.append(f"{name}: must be between {least} and {most}")
            return default
        return value
