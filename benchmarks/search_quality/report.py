"""What the finished searches show, as data and as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.search_quality.problems import DESIGN, Problem
from benchmarks.search_quality.searches import MOMENTS, Search
from benchmarks.search_quality.statistics import interval

Finished = Mapping[Search, Mapping[str, Any]]


def summary(
    problems: Sequence[Problem], planned: Sequence[Search], finished: Finished, budgets: Sequence[int]
) -> dict[str, Any]:
    """Return the regrets of each problem, policy and number of workers, by seed at each budget."""
    regrets: dict[str, dict[str, dict[str, list[float]]]] = {}
    for search in sorted((search for search in planned if search in finished), key=lambda search: search.seed):
        group = regrets.setdefault(search.problem, {}).setdefault(f"{search.policy}, {search.workers} worker(s)", {})
        for budget in budgets:
            if budget <= search.trainings:
                value = finished[search]["regret"][MOMENTS.index(budget)]
                group.setdefault(str(budget), []).append(value)
    return {
        "problems": {
            problem.name: {"version": problem.version, "design": problem.name in DESIGN} for problem in problems
        },
        "budgets": list(budgets),
        "planned": len(planned),
        "finished": sum(search in finished for search in planned),
        "regret": regrets,
    }


def text(result: Mapping[str, Any]) -> str:
    """Return a table of medians for each problem, as Markdown."""
    lines = []
    for problem, groups in result["regret"].items():
        lines += [f"## {problem}", "", f"| | {' | '.join(f'{budget}' for budget in result['budgets'])} |"]
        lines += [f"| --- |{' ---: |' * len(result['budgets'])}"]
        for name, values in groups.items():
            lines.append(f"| {name} | {' | '.join(_cell(values[str(budget)]) for budget in result['budgets'])} |")
        lines.append("")
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    low, high = interval(values)
    return f"{statistics.median(values):.3f} [{low:.3f}, {high:.3f}]"
