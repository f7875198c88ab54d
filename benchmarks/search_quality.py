"""The regret of each search policy at the same device-seconds.

    python -m benchmarks.search_quality [--seeds 20] [--out benchmarks/results/search_quality] [--short]

The problem is a table (benchmarks/tabulate.py): every configuration of a small network on digits was trained fully
once. A search looks its trainings up, so its regret is known: the best accuracy in the table less that of the selected
configuration, both fully trained. Device-seconds are the table's; benchmarks/engine_overhead.py measures what engines
add. One trial at a time. Policies that --out already has for the same table, seeds and budgets are not repeated.
--short: one seed of the first policy and of the random ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import write_result
from benchmarks.policies import OURS, POLICIES, STOCK, Policy, affordable
from benchmarks.tabulated import FILE, read_table

BUDGETS = (5, 10, 20)  # in full trainings
CONFIDENCE = 0.95

Regrets = Mapping[str, Mapping[str, Sequence[float]]]  # policy -> budget -> one per seed


def regrets(policy: Policy, seed: int, budgets: Sequence[int]) -> list[float]:
    """Return the regret in points at each budget."""
    table = read_table()
    seconds = [budget * table.full_seconds for budget in budgets]
    whole = policy.search(seed, max(seconds)) if policy.anytime else []
    values = []
    for limit in seconds:
        trace = whole if policy.anytime else policy.search(seed, limit)
        values.append(table.regret(policy.pick(affordable(trace, limit))))
    return values


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the distribution-free interval of the median, between two order statistics, with at least CONFIDENCE."""
    ordered, n = sorted(values), len(values)
    cut = 0
    while 2 * sum(math.comb(n, k) for k in range(cut + 1)) / 2**n <= 1 - CONFIDENCE:
        cut += 1
    place = max(0, cut - 1)
    return ordered[place], ordered[n - 1 - place]


def compare(names: Sequence[str], seeds: int, budgets: Sequence[int], out: Path | None = None) -> dict[str, Any]:
    """Return the regrets of every policy over the seeds; results are read from and written to `out`."""
    table = read_table()
    result: dict[str, Any] = {
        "configurations": len(table.curves),
        "epochs": table.epochs,
        "best_accuracy": table.best,
        "full_training_seconds": round(table.full_seconds, 3),
        "table_sha256": hashlib.sha256(FILE.read_bytes()).hexdigest(),
        "seeds": seeds,
        "budgets": list(budgets),
    }
    previous = json.loads(out.with_suffix(".json").read_text()) if out and out.with_suffix(".json").exists() else {}
    regret_table: dict[str, dict[str, list[float]]] = previous.pop("regret", {}) if previous else {}
    if previous != result:
        regret_table = {}
    for name in names:
        if name in regret_table:
            continue
        rows = []
        for seed in range(seeds):
            rows.append(regrets(POLICIES[name], seed, budgets))
            print(f"{name}: seed {seed}: {' '.join(f'{value:.2f}' for value in rows[-1])}", file=sys.stderr)
        columns = zip(*rows, strict=True)
        regret_table[name] = {str(budget): list(column) for budget, column in zip(budgets, columns, strict=True)}
    return {**result, "regret": {name: regret_table[name] for name in POLICIES if name in regret_table}}


def text(result: Mapping[str, Any]) -> str:
    """Return medians with their intervals, then each policy against ours, as Markdown."""
    budgets, regret_table = [str(budget) for budget in result["budgets"]], result["regret"]
    lines = [
        "Regret in points of validation accuracy: the table's best "
        f"({result['best_accuracy']:.2f} %) less the accuracy "
        f"of the configuration handed over, fully trained. {result['configurations']} configurations × "
        f"{result['epochs']} epochs; a budget of 1 is the device time of one full training "
        f"({result['full_training_seconds']:.2f} s). Median of {result['seeds']} seeds, in brackets the 95 % interval "
        "of the median (order statistics).",
        "",
        f"| | {' | '.join(f'budget {budget}' for budget in budgets)} |",
        f"| --- |{' ---: |' * len(budgets)}",
    ]
    lines += [
        f"| {name} | {' | '.join(_cell(regret_table[name][budget]) for budget in budgets)} |" for name in regret_table
    ]
    others = [name for name in regret_table if name != OURS]
    if OURS in regret_table and others:
        lines += [
            "",
            f"Against `{OURS}`, by seed: median difference of the regrets (positive: worse), its interval, and how "
            "often it was better / equal / worse.",
            "",
            f"| | {' | '.join(f'budget {budget}' for budget in budgets)} |",
            f"| --- |{' ---: |' * len(budgets)}",
        ]
        lines += [
            f"| {name} | {' | '.join(_against(regret_table, name, budget) for budget in budgets)} |" for name in others
        ]
    return "\n".join(lines) + "\n"


def _cell(values: Sequence[float]) -> str:
    low, high = interval(values)
    return f"{statistics.median(values):.2f} [{low:.2f}, {high:.2f}]"


def _against(regret_table: Regrets, name: str, budget: str) -> str:
    pairs = zip(regret_table[name][budget], regret_table[OURS][budget], strict=True)
    differences = [theirs - ours for theirs, ours in pairs]
    better, worse = sum(value < 0 for value in differences), sum(value > 0 for value in differences)
    low, high = interval(differences)
    counts = f"{better}/{len(differences) - better - worse}/{worse}"
    return f"{statistics.median(differences):+.2f} [{low:+.2f}, {high:+.2f}] {counts}"


def main() -> None:
    """Search with every policy, or with those of --only."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--out", type=Path, help="where to keep the result, as .json and .md")
    options.add_argument("--only", action="append", choices=POLICIES, help="this policy (again for more), not all")
    options.add_argument("--short", action="store_true", help="one seed, the smallest budget, few policies")
    chosen = options.parse_args()
    names = chosen.only or [name for name in POLICIES if not chosen.short or name == OURS or name.startswith("random")]
    if STOCK in names:
        os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AIR_NEW_OUTPUT="0")
        import ray

        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    result = compare(names, 1 if chosen.short else chosen.seeds, BUDGETS[:1] if chosen.short else BUDGETS, chosen.out)
    write_result(result, text(result), chosen.out)


if __name__ == "__main__":
    main()
