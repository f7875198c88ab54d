"""A rival's search as a policy: the rival runs in a process of its own, under a Python that has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.search_quality.problems import Parameters
from benchmarks.search_quality.simulator import Job, Policy, Task
from sweeps.space.space import Categorical, Dimension, Numeric

PYTHON = "RIVALS_PYTHON"
"""The environment variable with the Python that has the rivals; without it, this one."""


@dataclass(frozen=True)
class Rival:
    """A tool that searches in a process of its own.

    Attributes:
        module: What `serve` imports.
        requirement: What the rival's Python needs, as arguments of pip.
    """

    module: str
    requirement: str


RIVALS = {
    "smac": Rival("benchmarks.search_quality.rivals.smac_hyperband", "smac==2.4.1"),
    "syne-tune": Rival("benchmarks.search_quality.rivals.mobster", "'syne-tune[gpsearchers]==0.14.2' xgboost"),
}


class MissingRival(Exception):
    """A rival cannot be started. The message says what to install."""


class Server:
    """A process that serves one search after another.

    Args:
        name: A key of `RIVALS`.

    Raises:
        MissingRival: The Python for the rivals cannot be started or does not have it.
    """

    def __init__(self, name: str) -> None:
        root, python = Path(__file__).parents[3], os.environ.get(PYTHON, sys.executable)
        self._name, self._python = name, python
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1")
        try:
            self._process = subprocess.Popen(
                [python, "-m", "benchmarks.search_quality.rivals.serve", RIVALS[name].module],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root,
                env={**os.environ, **one_thread, "PYTHONPATH": str(root)},
            )  # fmt: skip
        except OSError as error:
            raise self._missing(error.strerror) from None
        greeting = self._read()
        if "missing" in greeting:
            self.close()
            raise self._missing(greeting["missing"])
        self.version = str(greeting["version"])

    def ask(self, request: str, content: Any) -> tuple[Any, float]:
        """Return the answer to a request, and the CPU seconds that the search has used."""
        assert self._process.stdin is not None
        print(json.dumps({request: content}), file=self._process.stdin, flush=True)
        answer = self._read()
        return answer["answer"], answer["cpu_s"]

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} has ended with exit status {self._process.wait()}")
        return dict(json.loads(line))

    def _missing(self, why: str) -> MissingRival:
        install = f"pip install {RIVALS[self._name].requirement}"
        return MissingRival(f"{self._name}: {why} in {self._python}; {install}, and set {PYTHON} to that python")


_idle: dict[str, list[Server]] = {}
"""Started processes that serve no search now. They are kept, since some rivals take seconds to import."""


class Remote(Policy):
    """A search by a rival in another process."""

    def __init__(self, task: Task, name: str) -> None:
        if task.workers != 1:
            raise ValueError(f"{name}: searches with one worker only, not {task.workers}")
        require(name)
        self._name, self._server = name, _idle[name].pop()
        dimensions = [_described(dimension) for dimension in task.space.dimensions]
        self._ask("begin", {"dimensions": dimensions, "epochs": task.epochs, "seed": task.seed})

    def next(self, now: float) -> Job | None:
        """Ask the rival."""
        job = self._ask("next", [])
        return None if job is None else Job(*job)

    def moved(self, trial: int, parameters: Parameters) -> None:
        """Tell the rival."""
        self._ask("moved", [trial, parameters])

    def told(self, trial: int, epoch: int, value: float) -> bool:
        """Tell the rival; return its decision."""
        return bool(self._ask("told", [trial, epoch, value]))

    def close(self) -> None:
        """Give the process back for the next search."""
        _idle[self._name].append(self._server)

    def _ask(self, request: str, content: Any) -> Any:
        answer, self.outside_cpu_s = self._server.ask(request, content)
        return answer


def require(name: str) -> str:
    """Return a rival's version. Raises `MissingRival`."""
    idle = _idle.setdefault(name, [])
    if not idle:
        idle.append(Server(name))
    return idle[-1].version


def end_servers() -> None:
    """End the processes that serve no search."""
    for idle in _idle.values():
        while idle:
            idle.pop().close()


def _described(dimension: Dimension) -> dict[str, Any]:
    """Return a dimension as `serve` knows it. Raises ValueError for one that not every rival has."""
    if isinstance(dimension, Categorical) and not dimension.when:
        return {"key": dimension.key, "values": list(dimension.values)}
    if isinstance(dimension, Numeric) and not (dimension.when or dimension.log or dimension.step or dimension.quantum):
        low, high = float(dimension.low), float(dimension.high)
        return {"key": dimension.key, "low": low, "high": high, "integer": dimension.integer}
    raise ValueError(f"{dimension.key}: the rivals take choices and plain numbers, without steps, logs and conditions")
