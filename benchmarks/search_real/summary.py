"""The comparison as Markdown: regret, wall time, and where the time goes."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common import spread
from benchmarks.known_table import read_table

SIDES = ("engine", "stock")
NAMES = {"engine": "sweep", "stock": "Ray Tune script"}
HEADER = (
    "| problem | workers | | regret, points | wall, s | to the first epoch, s | trained, s | epochs "
    "| trials handed out | beside training, s per hand-out |"
)


def text(result: Mapping[str, Any]) -> str:
    """Return two tables: each side, then the differences by seed."""
    searches = result["records"]
    cases = sorted({(record["problem"], record["workers"]) for record in searches}, reverse=True)
    lines = [
        f"Searches with real trainings at a budget of {result['trainings']:g} mean full ones, in device-seconds by the "
        f"table; {result['seeds']} seeds. Regret: the best accuracy of the table less that of the configuration handed "
        "over, fully trained. Median (range) over the seeds.",
        "",
        HEADER,
        "| --- | ---: | --- |" + " ---: |" * 7,
    ]
    lines += [_row(searches, *case, side) for case in cases for side in SIDES]
    lines += [
        "",
        f"By seed, {NAMES['engine']} less {NAMES['stock']}:",
        "",
        "| problem | workers | regret, points: median difference | better / equal / worse | wall: median ratio |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [_difference(searches, *case) for case in cases]
    off = max(abs(record["off"]) for record in searches)
    scales = [f"{problem} {read_table(problem).scale:.2f}" for problem in sorted({case[0] for case in cases})]
    lines += [
        "",
        f"The regret of a median configuration: {', '.join(scales)} points. What was handed over had reached, at its "
        f"last epoch, what the table has, within {off:.2f} points.",
    ]
    return "\n".join(lines) + "\n"


def _of(searches: Sequence[Mapping[str, Any]], problem: str, workers: int, side: str) -> dict[int, Mapping[str, Any]]:
    """Return the searches of a side, by seed."""
    keys = {"problem": problem, "workers": workers, "what": side}
    return {each["seed"]: each for each in searches if all(each[key] == value for key, value in keys.items())}


def _row(searches: Sequence[Mapping[str, Any]], problem: str, workers: int, side: str) -> str:
    records = _of(searches, problem, workers, side).values()
    cells = [
        spread([record["regret"] for record in records], ".2f"),
        spread([record["wall_s"] for record in records], ".1f"),
        spread([record["first_epoch_s"] for record in records], ".1f"),
        spread([record["trained_s"] for record in records], ".1f"),
        spread([record["epochs"] for record in records], ".0f"),
        spread([record["handed_out"] for record in records], ".0f"),
        spread([record["beside_s"] / record["handed_out"] for record in records], ".2f"),
    ]
    return f"| {problem} | {workers} | {NAMES[side]} | {' | '.join(cells)} |"


def _difference(searches: Sequence[Mapping[str, Any]], problem: str, workers: int) -> str:
    ours, theirs = (_of(searches, problem, workers, side) for side in SIDES)
    seeds = sorted(ours.keys() & theirs.keys())
    regrets = [ours[seed]["regret"] - theirs[seed]["regret"] for seed in seeds]
    ratios = [ours[seed]["wall_s"] / theirs[seed]["wall_s"] for seed in seeds]
    better, worse = sum(value < 0 for value in regrets), sum(value > 0 for value in regrets)
    counts = f"{better} / {len(seeds) - better - worse} / {worse}"
    return f"| {problem} | {workers} | {statistics.median(regrets):+.2f} | {counts} | {spread(ratios, '.2f')} |"
