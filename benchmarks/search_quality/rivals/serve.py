"""Serve the searches of one rival, under the Python that has it.

    python -m benchmarks.search_quality.rivals.serve benchmarks.search_quality.rivals.smac_hyperband

The rival's module has `version()`, and `begin(task)`, which returns a `Search`. Requests and answers are JSON objects,
one a line, on standard input and output. Nothing of `sweeps` is imported here, so that the rival's Python needs no more
than the rival.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TextIO


class Dimension(NamedTuple):
    """A dimension without conditions: a choice of `values`, or a number in [low, high]."""

    key: str
    values: Sequence[Any] | None = None
    low: float = 0.0
    high: float = 1.0
    integer: bool = False


class Task(NamedTuple):
    """A search to be made: its space, the epochs of a full training and the seed."""

    dimensions: Sequence[Dimension]
    epochs: int
    seed: int


class Job(NamedTuple):
    """A trial to train up to the epoch `until`; a number handed out before goes on where it left."""

    trial: int
    parameters: Mapping[str, Any]
    until: int


class Search(Protocol):
    """One search of a rival, for one worker. Of the metric, more is better."""

    def next(self) -> Job | None:
        """Return what a free worker trains; None if the rival has nothing more to try."""

    def moved(self, trial: int, parameters: Mapping[str, Any]) -> None:
        """Take note that a new trial trains this configuration instead, the nearest that a table has."""

    def told(self, trial: int, epoch: int, value: float) -> bool:
        """Take the metric of an epoch; return whether the trial goes on."""


def answers(rival: Any, requests: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Answer requests: `{"begin": task}`, or `next`, `moved` or `told` with the list of its arguments.

    Each answer has `cpu_s`: what the search has used of this process since it began.
    """
    search: Search | None = None
    began = 0.0
    for line in requests:
        [(request, content)] = json.loads(line).items()
        answer: Any = None
        if request == "begin":
            began = time.process_time()
            dimensions = tuple(Dimension(**dimension) for dimension in content["dimensions"])
            search = rival.begin(Task(dimensions, content["epochs"], content["seed"]))
        elif search is None:
            raise ValueError(f"{request}: no search has begun")
        else:
            answer = getattr(search, request)(*content)
        yield {"answer": answer, "cpu_s": time.process_time() - began}


def _own_output() -> TextIO:
    """Return the standard output, and send whatever a library prints to the standard error output."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return output


def main(module: str) -> None:
    """Serve until the input ends. The first line, without a request, has the rival's version, or what is missing."""
    output = _own_output()
    try:
        rival = importlib.import_module(module)
        print(json.dumps({"version": rival.version()}), file=output, flush=True)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), file=output, flush=True)
        return
    for answer in answers(rival, iter(sys.stdin.readline, "")):
        print(json.dumps(answer), file=output, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
