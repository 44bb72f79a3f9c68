"""``python -m taskflow_worker [module]``"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from .process import exit_with, run_process
from .version import VERSION
from .worker import Worker

_BUILT_IN = "taskflow_worker.tasks"


def main(arguments: Sequence[str] | None = None) -> None:
    """Loads the module that the command line names, and runs its worker."""
    target: str = _parse(arguments).module
    # As with `python -m`, modules of the working folder are found.
    sys.path.insert(0, os.getcwd())
    try:
        worker = find_worker(target)
    except (ModuleNotFoundError, AttributeError, TypeError) as error:
        exit_with(f"{target}: {error}")
    run_process(worker)


def find_worker(target: str) -> Worker:
    """The worker that ``module`` or ``module:name`` names; its name is ``worker`` by default.

    Raises ModuleNotFoundError, AttributeError, and TypeError for what is no Worker.
    """
    module_name, _, name = target.partition(":")
    worker = getattr(importlib.import_module(module_name), name or "worker")
    if not isinstance(worker, Worker):
        raise TypeError(f'"{name or "worker"}" is no Worker')
    return worker


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m taskflow_worker",
        description="Runs a worker of TaskFlow. Settings come from the environment or a .env file.",
    )
    parser.add_argument(
        "module",
        nargs="?",
        default=_BUILT_IN,
        help="the module, or module:name, of the Worker to run; default: the built-in tasks",
    )
    parser.add_argument("--version", action="version", version=VERSION)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
