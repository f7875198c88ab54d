"""Kills at the delicate moments: a driver that kills itself when it comes to one of these points.

A point is a function of the engine or of a library and whether the kill comes before it runs or after. Files are met
where they get their name, storage where it commits.
"""

from __future__ import annotations

import csv
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Aim:
    """A moment at which a driver kills itself: the `call`-th time that it comes to the point called `point`."""

    point: str
    call: int = 1


class Strike:
    """Kills this process at the n-th call that `applies`, before or after what is called."""

    def __init__(self, call: int) -> None:
        self._left = call

    def __call__(self) -> None:
        """The point has been reached once more."""
        if self.due():
            self.fall()

    def due(self) -> bool:
        """Whether this is the n-th time."""
        self._left -= 1
        return not self._left

    @staticmethod
    def fall() -> None:
        """End this process by force."""
        os.kill(os.getpid(), signal.SIGKILL)

    def around(
        self, function: Callable[..., Any], when: str, applies: Callable[..., bool] = lambda *given, **named: True
    ) -> Callable[..., Any]:
        """`function` with the strike "before" or "after" it."""

        def struck(*given: Any, **named: Any) -> Any:
            met = applies(*given, **named)
            if met and when == "before":
                self()
            result = function(*given, **named)
            if met and when == "after":
                self()
            return result

        return struck


def take(aim: Aim) -> None:
    """Arm this process, which is to run a study from here on."""
    kind, _, rest = aim.point.partition(" ")
    KINDS[kind](Strike(aim.call), rest)


def _file(strike: Strike, rest: str) -> None:
    """`file before NAME`, `file after NAME`: the moment at which a file that is written whole gets its name."""
    when, name = rest.split()
    Path.replace = strike.around(Path.replace, when, lambda source, target: target.name == name)  # type: ignore[method-assign]


def _folder(strike: Strike, rest: str) -> None:
    """`folder before sealed`, `folder after displaced`: the moment at which a checkpoint gets its name or loses it."""
    when, what = rest.split()
    prefix, suffix = (".partial", "") if what == "sealed" else ("", ".replaced")
    Path.rename = strike.around(  # type: ignore[method-assign]
        Path.rename,
        when,
        lambda source, target: source.name.startswith(prefix) and target.name.endswith(suffix),
    )


def _call(strike: Strike, rest: str) -> None:
    """`call after MODULE.FUNCTION`, `call before MODULE.CLASS.METHOD`."""
    when, name = rest.split()
    holder, _, called = name.rpartition(".")
    if holder not in sys.modules:
        module_name, _, owner = holder.rpartition(".")
        method_of = getattr(sys.modules[module_name], owner)
        setattr(method_of, called, strike.around(getattr(method_of, called), when))
        return
    function = getattr(sys.modules[holder], called)
    struck = strike.around(function, when)
    for module in [*sys.modules.values()]:  # who has imported it by name has it under its own
        if module.__name__.startswith(("sweeps", "tests")) and vars(module).get(called) is function:
            setattr(module, called, struck)


def _commit(strike: Strike, rest: str) -> None:
    """`commit`: before the storage's transaction ends."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "commit", lambda connection: strike())


def _statement(strike: Strike, rest: str) -> None:
    """`statement CREATE TABLE`: before the storage is given a statement that begins so."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def met(connection: Any, cursor: Any, text: str, *others: Any) -> None:
        if text.strip().startswith(rest):
            strike()

    event.listen(Engine, "before_cursor_execute", met)


def _line(strike: Strike, rest: str) -> None:
    """`line`: in the middle of a line of a curve."""

    class Torn(csv.DictWriter):  # type: ignore[type-arg]
        def __init__(self, file: Any, *given: Any, **named: Any) -> None:
            super().__init__(file, *given, **named)
            self._file = file

        def writerow(self, row: Any) -> Any:
            if str(getattr(self._file, "name", "")).endswith("curves.csv") and strike.due():
                self._file.write(",".join(map(str, row.values()))[:7])
                self._file.flush()
                strike.fall()
            return super().writerow(row)

    csv.DictWriter = Torn  # type: ignore[misc, assignment]


KINDS: dict[str, Callable[[Strike, str], None]] = {
    "file": _file,
    "folder": _folder,
    "call": _call,
    "commit": _commit,
    "statement": _statement,
    "line": _line,
}
