"""Kill points: patch a driver's process so that it kills itself, or sends itself a signal, at a chosen call.

A kill point names a function of the engine or of a library, and whether the kill comes before or after the call. For
files it is the rename to the final name, for the storage the commit or an SQL statement.
"""

from __future__ import annotations

import csv
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class KillPoint:
    """The `call`-th time (from 1) that the driver reaches `point`, and the signal that it sends itself there.

    See `KINDS` for the forms of a point.
    """

    point: str
    call: int = 1
    number: int = signal.SIGKILL


class KillAtCall:
    """Kill this process at the `call`-th matching call of a function, before or after the function runs."""

    def __init__(self, call: int, number: int) -> None:
        self._left, self._number = call, number

    def __call__(self) -> None:
        """Count one matching call, and kill the process if it is the n-th."""
        if self.due():
            self.kill()

    def due(self) -> bool:
        """Count one matching call; return whether it is the n-th."""
        self._left -= 1
        return not self._left

    def kill(self) -> None:
        """Send this process the signal."""
        os.kill(os.getpid(), self._number)

    def wrap(
        self, function: Callable[..., Any], when: str, applies: Callable[..., bool] = lambda *args, **kwargs: True
    ) -> Callable[..., Any]:
        """Return `function` with the kill "before" or "after" it; calls count if `applies` accepts their arguments."""

        @wraps(function)  # with its module too: the hash of a workload's code follows it
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            matches = applies(*args, **kwargs)
            if matches and when == "before":
                self()
            result = function(*args, **kwargs)
            if matches and when == "after":
                self()
            return result

        return wrapped


def install(kill_point: KillPoint) -> None:
    """Patch this process so that it kills itself at `kill_point`."""
    kind, _, rest = kill_point.point.partition(" ")
    KINDS[kind](KillAtCall(kill_point.call, kill_point.number), rest)


def _file(kill_at_call: KillAtCall, rest: str) -> None:
    """`file before NAME`, `file after NAME`: the rename of an atomically written file to NAME."""
    when, name = rest.split()
    Path.replace = kill_at_call.wrap(Path.replace, when, lambda source, target: target.name == name)  # type: ignore[method-assign]


def _folder(kill_at_call: KillAtCall, rest: str) -> None:
    """`folder before sealed`, `folder after displaced`: a checkpoint folder gets its final name, or gives it up."""
    when, what = rest.split()
    prefix, suffix = (".partial", "") if what == "sealed" else ("", ".replaced")
    Path.rename = kill_at_call.wrap(  # type: ignore[method-assign]
        Path.rename,
        when,
        lambda source, target: source.name.startswith(prefix) and target.name.endswith(suffix),
    )


def _call(kill_at_call: KillAtCall, rest: str) -> None:
    """`call after MODULE.FUNCTION`, `call before MODULE.CLASS.METHOD`."""
    when, name = rest.split()
    holder, _, function_name = name.rpartition(".")
    if holder not in sys.modules:
        module_name, _, owner = holder.rpartition(".")
        method_of = getattr(sys.modules[module_name], owner)
        setattr(method_of, function_name, kill_at_call.wrap(getattr(method_of, function_name), when))
        return
    function = getattr(sys.modules[holder], function_name)
    wrapped = kill_at_call.wrap(function, when)
    for module in [*sys.modules.values()]:  # modules that imported the function by name hold their own reference
        if module.__name__.startswith(("sweeps", "tests")) and vars(module).get(function_name) is function:
            setattr(module, function_name, wrapped)


def _commit(kill_at_call: KillAtCall, rest: str) -> None:
    """`commit`: before the storage commits a transaction."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "commit", lambda connection: kill_at_call())


def _statement(kill_at_call: KillAtCall, rest: str) -> None:
    """`statement CREATE TABLE`: before the storage executes a statement with this beginning."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def count(connection: Any, cursor: Any, text: str, *others: Any) -> None:
        if text.strip().startswith(rest):
            kill_at_call()

    event.listen(Engine, "before_cursor_execute", count)


def _line(kill_at_call: KillAtCall, rest: str) -> None:
    """`line`: in the middle of writing a row of `curves.csv`."""

    class TornWriter(csv.DictWriter):  # type: ignore[type-arg]
        def __init__(self, file: Any, *args: Any, **kwargs: Any) -> None:
            super().__init__(file, *args, **kwargs)
            self._file = file

        def writerow(self, row: Any) -> Any:
            if str(getattr(self._file, "name", "")).endswith("curves.csv") and kill_at_call.due():
                self._file.write(",".join(map(str, row.values()))[:7])
                self._file.flush()
                kill_at_call.kill()
            return super().writerow(row)

    csv.DictWriter = TornWriter  # type: ignore[misc, assignment]


KINDS: dict[str, Callable[[KillAtCall, str], None]] = {
    "file": _file,
    "folder": _folder,
    "call": _call,
    "commit": _commit,
    "statement": _statement,
    "line": _line,
}
