"""A search with promotion, played by the real rule on made-up curves: the records that it would leave."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

from sweeps.pruners.promotion import Due, Promotion
from sweeps.trial.trial import Status, Trial

from .conftest import EPOCHS, trial_of

RULE = {"type": "asha", "mode": "promote", "min_iter": 1, "max_iter": EPOCHS, "eta": 2}
SPREAD = 3.0  # of the surrogate's predictions, in points


def promoted_search(trials: int = 14, steps: int | None = None, width: float = 1.0) -> tuple[Trial, ...]:
    """Return the trials of a search with one worker.

    Args:
        trials: The number of configurations.
        steps: After how many decisions it is interrupted; None: when one trial has been trained to the end.
        width: The width of the surrogate's intervals; 1 is calibrated.
    """
    rule = Promotion(1, EPOCHS, 2, "maximize")
    draw, curves, decisions = random.Random(11), {}, {}
    ends = [draw.gauss(80, 6) for _ in range(trials)]
    order = 0
    while (steps is None or order < steps) and not _over(curves, trials):
        waiting = [number for number, curve in curves.items() if max(curve) < EPOCHS]
        due = rule.due(curves, waiting)
        last = None if due or len(curves) < trials else rule.closest(curves, waiting)
        number = (due or last or _Next(len(curves))).number
        entry = _entry(order, number, rule, due, last, ends, draw, width)
        decisions.setdefault(number, []).append(entry)
        curves.setdefault(number, {}).update(_curve(ends[number], entry["from"], entry["until"]))
        order += 1
    over = _over(curves, trials)
    return tuple(_trial(number, curves[number], decisions[number], over) for number in sorted(curves))


class _Next:
    def __init__(self, number: int) -> None:
        self.number = number


def _over(curves: Mapping[int, Any], trials: int) -> bool:
    return len(curves) == trials and any(max(curve) == EPOCHS for curve in curves.values())


def _entry(
    order: int, number: int, rule: Promotion, due: Due | None, last: Due | None, ends: list[float],
    draw: random.Random, width: float,
) -> dict[str, Any]:  # fmt: skip
    start = (due or last).rung if (due or last) else 0
    until = EPOCHS if last else rule.until(number, start)
    why = "promoted" if due else "to the end" if last else "new"
    by = "baseline" if number == 0 else "start" if number < 4 else draw.choice(["model", "model", "random"])
    centre, half = draw.gauss(ends[number], SPREAD), 1.2816 * SPREAD * width
    predicted = [centre - half, centre, centre + half] if number > 3 or why != "new" else None
    candidates = [
        {"trial": None, "parameters": {"optimizer.lr": 0.05, "optimizer.name": "adamw"}, "predicted": predicted,
         "cost": 1.0, "score": 0.8},
        {"trial": number, "predicted": predicted, "cost": float(until - start), "score": 0.5},
    ]  # fmt: skip
    entry = {"order": order, "from": start, "until": until, "why": why, "predicted": predicted, "load_s": 0.03}
    entry |= {"cost": float(until - start), "candidates": candidates, "last": until == EPOCHS}
    return entry | ({"rung": due.facts} if due else {"by": by} if why == "new" else {})


def _curve(end: float, start: int, until: int) -> dict[int, float]:
    return {epoch: end * (1 - 0.5 * math.exp(-0.7 * epoch)) for epoch in range(start + 1, until + 1)}


def _trial(number: int, curve: Mapping[int, float], decisions: list[Any], over: bool) -> Trial:
    if max(curve) == EPOCHS:
        return trial_of(number, Status.COMPLETE, curve=curve, decisions=tuple(decisions))
    status = Status.PRUNED if over else Status.RUNNING
    reason = f"not promoted from epoch {max(curve)}" if over else ""
    return trial_of(number, status, curve=curve, decisions=tuple(decisions), reason=reason)
