"""What finished searches show, as data: regrets, ours against every other by seed, and the bars."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.search_quality.policies import OURS, POLICIES, STOCK
from benchmarks.search_quality.problems import DESIGN, Problem
from benchmarks.search_quality.searches import MOMENTS, Search
from benchmarks.search_quality.statistics import holm, interval, signed_rank

LEVEL = 0.05
TARGET = 20  # the budget at which stock sets the mark for device-seconds
BETTER_AT_TARGET, MOST, TIME_SHARE = 0.8, 0.5, 0.6  # the bars

Finished = Mapping[Search, Mapping[str, Any]]
Curves = Mapping[int, Sequence[float]]  # seed -> regrets at MOMENTS


class Group(NamedTuple):
    """The searches of one policy on one problem."""

    problem: str
    policy: str
    workers: int


class Comparison:
    """The finished searches of a plan.

    Args:
        problems: The problems.
        planned: All searches of the plan.
        finished: The record of each that is finished; others are ignored.
        budgets: The budgets in full trainings, ascending.
    """

    def __init__(
        self, problems: Sequence[Problem], planned: Sequence[Search], finished: Finished, budgets: Sequence[int]
    ) -> None:
        self.problems = {problem.name: problem for problem in problems}
        self.budgets = list(budgets)
        self.planned = planned
        self.records = {search: finished[search] for search in planned if search in finished}
        self._regrets: dict[tuple[Group, int], dict[int, float]] = {}
        self._curves: dict[Group, dict[int, Sequence[float]]] = {}
        for search, record in self.records.items():
            self._add(search, record["regret"])

    def _add(self, search: Search, regrets: Sequence[float]) -> None:
        group = Group(search.problem, search.policy, search.workers)
        longest = self._curves.setdefault(group, {})
        tells = POLICIES[search.policy].tells(search.trainings, TARGET, search.workers)
        if tells and len(regrets) > len(longest.get(search.seed, ())):
            longest[search.seed] = regrets
        for budget in self.budgets:
            place = MOMENTS.index(budget)
            if POLICIES[search.policy].tells(search.trainings, budget, search.workers):
                self._regrets.setdefault((group, budget), {})[search.seed] = regrets[place]

    @property
    def held_out(self) -> list[str]:
        """The problems on which nothing was designed."""
        return [name for name in self.problems if name not in DESIGN]

    @property
    def setups(self) -> list[tuple[str, int]]:
        """The policies with their numbers of workers, in the order of the plan, of which a search is finished."""
        return list(dict.fromkeys((s.policy, s.workers) for s in self.planned if s in self.records))

    def regrets(self, group: Group, budget: int) -> dict[int, float]:
        """Return the regret by seed."""
        return dict(sorted(self._regrets.get((group, budget), {}).items()))

    def against(self, other: str, workers: int, budget: int, problems: Collection[str]) -> dict[str, dict[str, Any]]:
        """Return ours against another policy by problem; the p-values are corrected for the number of problems.

        A difference below 0 is in favour of ours.
        """
        rows = {}
        for problem in problems:
            ours = self.regrets(Group(problem, OURS, workers), budget)
            theirs = self.regrets(Group(problem, other, workers), budget)
            pairs = [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]
            if pairs:
                rows[problem] = _compared(pairs)
        corrected = holm({problem: row["p"] for problem, row in rows.items()})
        return {problem: {**row, "p_holm": corrected[problem]} for problem, row in rows.items()}

    def time_to_stock(self, problem: str, workers: int) -> float | None:
        """Return the share of `TARGET` at which ours has the regret that stock reaches there: a median over seeds.

        Infinite where the median search does not reach it within its budget; None without searches of both.
        """
        stock = self.regrets(Group(problem, STOCK, workers), TARGET)
        ours = self._curves.get(Group(problem, OURS, workers), {})
        if not stock or not ours:
            return None
        mark = statistics.median(stock.values())
        return statistics.median_low([_first(curve, mark) / TARGET for curve in ours.values()])


def _compared(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    differences = [ours - theirs for ours, theirs in pairs]
    return {
        "seeds": len(pairs),
        "medians": [statistics.median(column) for column in zip(*pairs, strict=True)],
        "difference": statistics.median(differences),
        "interval": list(interval(differences)),
        "better": sum(value < 0 for value in differences),
        "equal": sum(value == 0 for value in differences),
        "worse": sum(value > 0 for value in differences),
        "p": signed_rank(differences),
    }


def _first(curve: Sequence[float], mark: float) -> float:
    """Return when a search first has a regret of at most `mark`, in full trainings."""
    return next((moment for moment, value in zip(MOMENTS, curve, strict=False) if value <= mark), math.inf)


def favour(row: Mapping[str, Any]) -> int:
    """Return whether ours has the lower median regret (1), the same (0) or the higher one (-1)."""
    ours, theirs = row["medians"]
    return int(ours < theirs) - int(ours > theirs)


def clear(row: Mapping[str, Any]) -> int:
    """Return whether ours is clearly better (1) or clearly worse (-1), by the corrected test; else 0."""
    if row["p_holm"] >= LEVEL:
        return 0
    return 1 if row["better"] > row["worse"] else -1


def bars(comparison: Comparison, workers: int) -> list[dict[str, Any]]:
    """Return each bar against stock over the held-out problems: what it asks, what was reached, if it is met."""
    problems, rows = comparison.held_out, []
    worse: list[str] = []
    for budget in comparison.budgets:
        against = comparison.against(STOCK, workers, budget, problems)
        if not against:
            continue
        signs = list(map(favour, against.values()))
        least = BETTER_AT_TARGET if budget == TARGET else MOST
        if budget <= TARGET:
            asked = f"at least {least:.0%}" if budget == TARGET else "more than half"
            share = signs.count(1) / len(signs)
            rows.append(
                {
                    "bar": f"lower median regret than stock at {budget}",
                    "asked": f"{asked} of {len(signs)} problems",
                    "reached": f"{signs.count(1)} lower, {signs.count(0)} equal, {signs.count(-1)} higher",
                    "met": share >= least if budget == TARGET else share > least,
                }
            )
        worse += [f"{problem} at {budget}" for problem, row in against.items() if clear(row) < 0]
    if rows:
        reached = ", ".join(worse) or "none"
        rows.append(
            {"bar": "clearly worse than stock", "asked": "nowhere, at no budget", "reached": reached, "met": not worse}
        )
    return rows + _time_bar(comparison, workers)


def _time_bar(comparison: Comparison, workers: int) -> list[dict[str, Any]]:
    shares = [comparison.time_to_stock(problem, workers) for problem in comparison.held_out]
    known = [share for share in shares if share is not None]
    if not known:
        return []
    middle = statistics.median(known)
    return [
        {
            "bar": f"device-seconds to stock's regret at {TARGET}",
            "asked": f"at most {TIME_SHARE:.0%}, median over problems",
            "reached": percent(middle),
            "met": middle <= TIME_SHARE,
        }
    ]


def percent(share: float) -> str:
    """Return a share of `TARGET` as text; one that was not reached as such."""
    return "not reached" if math.isinf(share) else f"{share:.0%}"


def summary(comparison: Comparison) -> dict[str, Any]:
    """Return everything that the report shows, as plain data."""
    c = comparison
    names = list(c.problems)
    workers = sorted({count for _, count in c.setups})
    return {
        "problems": {
            name: {
                "version": problem.version, "held_out": name not in DESIGN, "epochs": problem.epochs,
                "dimensions": len(problem.space.dimensions), "best": problem.best, "median": problem.median,
            }
            for name, problem in c.problems.items()
        },
        "budgets": c.budgets,
        "planned": len(c.planned),
        "finished": len(c.records),
        "bars": {str(count): bars(c, count) for count in workers},
        "against": {
            setup(policy, count): {
                str(budget): c.against(policy, count, budget, names) for budget in c.budgets
            }
            for policy, count in c.setups if policy != OURS
        },
        "time_to_stock": {
            str(count): {name: _finite(c.time_to_stock(name, count)) for name in names} for count in workers
        },
        "regret": {
            name: {
                setup(policy, count): {
                    str(budget): list(c.regrets(Group(name, policy, count), budget).values()) for budget in c.budgets
                }
                for policy, count in c.setups
            }
            for name in names
        },
        "cost": _cost(c),
    }  # fmt: skip


def setup(policy: str, workers: int) -> str:
    """Return the name of a policy with its number of workers."""
    return f"{policy}, {workers} worker{'' if workers == 1 else 's'}"


def _finite(share: float | None) -> float | str | None:
    return share if share is None or math.isfinite(share) else "not reached"


def _cost(comparison: Comparison) -> dict[str, Any]:
    records = list(comparison.records.items())
    policies = dict.fromkeys(search.policy for search, _ in records)
    by_policy = {
        policy: [record["cpu_s"] for search, record in records if search.policy == policy] for policy in policies
    }
    return {
        "cpu_s": round(math.fsum(record["cpu_s"] for _, record in records), 1),
        "simulator_cpu_s": round(math.fsum(record["simulator_cpu_s"] for _, record in records), 1),
        "searches": {policy: len(values) for policy, values in by_policy.items()},
        "cpu_s_of_a_search": {policy: round(statistics.mean(values), 2) for policy, values in by_policy.items()},
    }
