"""Run searches and keep each as a line of a file, so that a comparison goes on where it was ended."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.search_quality.policies import POLICIES
from benchmarks.search_quality.problems import Parameters, Problem, regret
from benchmarks.search_quality.simulator import Job, Policy, Task, Trace, handed_over, simulate

BUDGETS = (5, 10, 20, 40)
"""In full trainings of all workers together."""

MOMENTS = (*(place / 2 for place in range(1, 41)), 25.0, 30.0, 35.0, 40.0)
"""When the configuration handed over is looked at, in full trainings."""


class Plan(NamedTuple):
    """How often a policy searches each problem.

    Attributes:
        policy: A key of `POLICIES`.
        workers: The trials that train at once.
        seeds: The number of searches.
        longest: The seeds of which so many, the first, are searched with the largest budget too; None: all. A search
            with the surrogate takes six times as long with 40 trainings as with 20.
        problem: The only problem; None: all.
    """

    policy: str
    workers: int
    seeds: int
    longest: int | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Search:
    """One search of the comparison.

    Attributes:
        problem: The name of the problem.
        version: The version of the problem.
        policy: A key of `POLICIES`.
        workers: The trials that train at once.
        seed: The seed.
        trainings: The budget.
    """

    problem: str
    version: str
    policy: str
    workers: int
    seed: int
    trainings: float


def searches(problems: Sequence[Problem], plans: Sequence[Plan], budgets: Sequence[float] = BUDGETS) -> list[Search]:
    """Return all searches of a plan, those of the first seeds first."""
    return [
        Search(problem.name, problem.version, plan.policy, plan.workers, seed, trainings)
        for seed in range(max(plan.seeds for plan in plans))
        for problem in problems
        for plan in plans
        if seed < plan.seeds and plan.problem in (None, problem.name)
        for trainings in _lengths(plan, seed, budgets)
    ]


def _lengths(plan: Plan, seed: int, budgets: Sequence[float]) -> Sequence[float]:
    """Return the budgets of the searches with a seed, without those of which a larger one tells."""
    entry = POLICIES[plan.policy]
    if plan.longest is not None and seed >= plan.longest and len(budgets) > 1:
        budgets = budgets[:-1]
    lengths = [budget for budget in budgets if budget <= entry.longest]
    return [
        budget
        for budget in lengths
        if not any(entry.tells(larger, budget, plan.workers) for larger in lengths if larger > budget)
    ]


class Records:
    """A file of finished searches, one a line. Several processes may append to it.

    Args:
        file: The file. It need not exist.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._read_to = file, 0
        self._finished: dict[Search, Mapping[str, Any]] = {}

    def finished(self) -> Mapping[Search, Mapping[str, Any]]:
        """Return the record of each finished search, those of other processes too."""
        if self._file.exists():
            with self._file.open("rb") as lines:
                lines.seek(self._read_to)
                for line in lines:
                    if line.endswith(b"\n"):  # else another process is writing it, or was killed
                        self._read_to += len(line)
                        self._add(line)
        return self._finished

    def _add(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            self._finished[Search(**record["search"])] = record
        except (ValueError, KeyError, TypeError):
            print(f"{self._file}: left out a line that is no search: {line[:80]!r}", file=sys.stderr)

    def append(self, search: Search, outcome: Mapping[str, Any]) -> None:
        """Append a finished search in one write, so that two processes cannot mix their lines."""
        line = json.dumps({"search": asdict(search), **outcome}) + "\n"
        broken = self._file.exists() and not _ends_a_line(self._file)
        with self._file.open("ab", buffering=0) as file:
            file.write(("\n" if broken else "").encode() + line.encode())


def _ends_a_line(file: Path) -> bool:
    with file.open("rb") as content:
        end = content.seek(0, 2)
        content.seek(max(0, end - 1))
        return end == 0 or content.read(1) == b"\n"


def run_all(
    problems: Sequence[Problem], planned: Sequence[Search], records: Records, part: tuple[int, int] = (1, 1)
) -> int:
    """Run the searches that are not finished yet; return how many failed.

    Args:
        problems: The problems.
        planned: All searches.
        records: Where finished searches are kept.
        part: (i, n) of n processes that share the work. When its own part is done, a process helps the others.
    """
    named = {problem.name: problem for problem in problems}
    failed = 0
    for search in _in_turn(planned, *part):
        if search in records.finished():
            continue
        try:
            records.append(search, run(named[search.problem], search))
        except Exception as error:  # noqa: BLE001  (a rival's fault must not cost the other searches)
            failed += 1
            print(f"{search}: {type(error).__name__}: {error}", file=sys.stderr)
    return failed


def _in_turn(planned: Sequence[Search], place: int, parts: int) -> Iterator[Search]:
    """Yield the process's own searches, then those of the others, from the end."""
    yield from planned[place - 1 :: parts]
    for other in range(parts):
        if other != place - 1:
            yield from reversed(planned[other::parts])


def run(problem: Problem, search: Search) -> dict[str, Any]:
    """Return what a search handed over at each moment up to its budget, and what it cost."""
    began = time.process_time()
    task = Task(problem.space, problem.epochs, search.workers, search.trainings, search.seed)
    policy = _Timed(POLICIES[search.policy].make(task))
    try:
        trace = simulate(problem, policy, search.trainings, search.workers)
        simulated = time.process_time()
        moments = [moment for moment in MOMENTS if moment <= search.trainings]
        regrets = [_regret(problem, trace, moment / search.workers) for moment in moments]
    finally:
        policy.close()
    return {
        "regret": [round(value, 6) for value in regrets],
        "trials": len(trace.parameters),
        "trained_fully": sum(step.epoch == problem.epochs for step in trace.steps),
        "policy_cpu_s": round(policy.cpu_s + policy.outside_cpu_s, 3),
        "simulator_cpu_s": round(simulated - began - policy.cpu_s, 4),
        "cpu_s": round(time.process_time() - began + policy.outside_cpu_s, 3),
    }


def _regret(problem: Problem, trace: Trace, trainings: float) -> float:
    return regret(problem, handed_over(trace.until(trainings * problem.full_seconds)))


class _Timed(Policy):
    """A policy whose CPU time is measured."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.cpu_s = 0.0

    @property
    def outside_cpu_s(self) -> float:  # type: ignore[override]
        return self._policy.outside_cpu_s

    def next(self, now: float) -> Job | None:
        began = time.process_time()
        job = self._policy.next(now)
        self.cpu_s += time.process_time() - began
        return job

    def moved(self, trial: int, parameters: Parameters) -> None:
        self._policy.moved(trial, parameters)

    def told(self, trial: int, epoch: int, value: float) -> bool:
        began = time.process_time()
        goes_on = self._policy.told(trial, epoch, value)
        self.cpu_s += time.process_time() - began
        return goes_on

    def left(self, trial: int) -> None:
        began = time.process_time()
        self._policy.left(trial)
        self.cpu_s += time.process_time() - began

    def close(self) -> None:
        self._policy.close()
