"""The task types that every Python worker knows."""

from __future__ import annotations

import os

from ..worker import Worker
from . import conformance, text_keywords

worker = Worker()
text_keywords.register(worker)
# The suite that all workers must pass asks for these; nobody else has a use for them.
if os.environ.get("TASKFLOW_CONFORMANCE") == "1":
    conformance.register(worker)
