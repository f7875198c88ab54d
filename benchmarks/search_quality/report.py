"""The comparison as Markdown: the bars and one table of all policies first, then each problem."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.search_quality.comparison import Comparison, Group, clear, favour, percent, setup
from benchmarks.search_quality.policies import OURS, STOCK
from benchmarks.search_quality.problems import DESIGN
from benchmarks.search_quality.statistics import interval


def text(comparison: Comparison, result: Mapping[str, Any]) -> str:
    """Return the report.

    Args:
        comparison: The finished searches.
        result: Their `summary`.
    """
    parts = [
        _introduction(comparison),
        *(_bars(workers, rows) for workers, rows in result["bars"].items() if rows),
        _overview(comparison),
        _by_problem(comparison),
        *(_problem(comparison, name) for name in comparison.problems),
        _costs(result["cost"]),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _introduction(c: Comparison) -> str:
    missing = len(c.planned) - len(c.records)
    return (
        f"{len(c.records):,} searches of {len(c.problems)} problems"
        + (f"; {missing:,} of the plan are missing" if missing else "")
        + f". {len(c.held_out)} problems are held out; the others, marked *, were used for design and count for no "
        "bar. Regret: 0 is the best configuration of a problem, 1 a median one, both fully trained. Every search "
        "hands over the trial with the best last value; it is judged fully trained. A budget of 1 is the mean device "
        "time of a full training; with several workers each has its share. Time is simulated."
    )


def _bars(workers: str, rows: Sequence[Mapping[str, Any]]) -> str:
    table = [[row["bar"], row["asked"], row["reached"], "met" if row["met"] else "**not met**"] for row in rows]
    return _table(
        f"`{OURS}` against `{setup(STOCK, int(workers))}`, over the problems held out", ["asked", "reached", ""], table
    )


def _overview(c: Comparison) -> str:
    """The table of all policies: the median over problems, and how ours stands against each."""
    names = c.held_out or list(c.problems)
    rows = [
        [setup(policy, count)]
        + [_median_of_medians(c, names, policy, count, budget) for budget in c.budgets]
        + [_standing(c, names, policy, count, budget) for budget in c.budgets]
        for policy, count in c.setups
    ]
    heads = [f"{budget}" for budget in c.budgets] + [f"ours at {budget}" for budget in c.budgets]
    title = (
        "Regret of each policy by budget: the median over the problems held out of the medians over seeds. Then how "
        f"`{OURS}` stands against it: on how many problems its median is lower / equal / higher, in brackets on how "
        "many it is clearly better and clearly worse (Wilcoxon's signed-rank test by seed, Holm over problems, 5 %)"
    )
    return _table(title, heads, rows)


def _median_of_medians(c: Comparison, names: Sequence[str], policy: str, workers: int, budget: int) -> str:
    groups = [c.regrets(Group(name, policy, workers), budget) for name in names]
    medians = [statistics.median(values.values()) for values in groups if values]
    return f"{statistics.median(medians):.3f}" if medians else "–"


def _standing(c: Comparison, names: Sequence[str], policy: str, workers: int, budget: int) -> str:
    rows = c.against(policy, workers, budget, names).values() if policy != OURS else []
    if not rows:
        return "–"
    signs, clearly = list(map(favour, rows)), list(map(clear, rows))
    counts = "/".join(str(signs.count(sign)) for sign in (1, 0, -1))
    return f"{counts} ({clearly.count(1)}, {clearly.count(-1)})"


def _by_problem(c: Comparison) -> str:
    """Ours against stock on each problem."""
    tables = []
    for workers in sorted({count for policy, count in c.setups if policy == STOCK}):
        against = [c.against(STOCK, workers, budget, list(c.problems)) for budget in c.budgets]
        rows = [
            [_marked(name)] + [_against(rows.get(name)) for rows in against] + [_time(c.time_to_stock(name, workers))]
            for name in c.problems
            if any(name in rows for rows in against)
        ]
        title = (
            f"`{OURS}` against `{setup(STOCK, workers)}`, by seed: median difference of the regrets (negative: ours is "
            "better), its 95 % interval, seeds better / equal / worse; last, the share of 20 trainings at which ours "
            "has the median regret that stock reaches with all 20"
        )
        if rows:
            tables.append(_table(title, [*map(str, c.budgets), "time"], rows))
    return "\n\n".join(tables)


def _problem(c: Comparison, name: str) -> str:
    """The medians of every policy on one problem, and how ours differs from it by seed."""
    rows = [list(_row(c, name, policy, count)) for policy, count in c.setups]
    rows = [row for row in rows if any(cell != "–" for cell in row[1:])]
    heads = [f"{budget}" for budget in c.budgets] + [f"ours − it at {budget}" for budget in c.budgets]
    return f"## {_marked(name)}\n\n" + _table("", heads, rows) if rows else ""


def _row(c: Comparison, name: str, policy: str, workers: int) -> Iterator[str]:
    yield setup(policy, workers)
    for budget in c.budgets:
        values = list(c.regrets(Group(name, policy, workers), budget).values())
        yield _spread(values, ".3f") if values else "–"
    for budget in c.budgets:
        rows = c.against(policy, workers, budget, [name]) if policy != OURS else {}
        yield _against(rows.get(name))


def _costs(cost: Mapping[str, Any]) -> str:
    rows = [
        [policy, str(cost["searches"][policy]), f"{seconds:.2f}"]
        for policy, seconds in cost["cpu_s_of_a_search"].items()
    ]
    share = cost["simulator_cpu_s"] / cost["cpu_s"] if cost["cpu_s"] else 0.0
    title = (
        f"CPU time: {cost['cpu_s'] / 3600:.2f} hours of one core in all, {share:.0%} of it the simulated clock and the "
        "problems"
    )
    return _table(title, ["searches", "CPU-s of a search"], rows)


def _against(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    low, high = row["interval"]
    counts = f"{row['better']}/{row['equal']}/{row['worse']}"
    return f"{row['difference']:+.3f} [{low:+.3f}, {high:+.3f}] {counts}"


def _spread(values: Sequence[float], form: str) -> str:
    low, high = interval(values)
    return f"{statistics.median(values):{form}} [{low:{form}}, {high:{form}}]"


def _time(share: float | None) -> str:
    return "–" if share is None else percent(share)


def _marked(name: str) -> str:
    return f"{name} *" if name in DESIGN else name


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"{title}:\n"] if title else []
    lines += [f"| | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])
